// Builds the package's dist/ from the dashboard's client, with the dashboard's esbuild: no source is kept twice.
import { copyFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const frontend = path("../../spot/frontend/");
const { build } = createRequire(`${frontend}package.json`)("esbuild");

await rm(path("dist"), { recursive: true, force: true });
await build({
  absWorkingDir: frontend,
  entryPoints: ["src/client.js"],
  outfile: path("dist/client.js"),
  bundle: true,
  format: "esm",
  target: ["chrome123", "firefox120", "safari17.5", "node20"],
});
for (const name of ["client.d.ts", "feeds.d.ts"]) await copyFile(`${frontend}src/${name}`, path(`dist/${name}`));
