// Bundles the pages into ../static/spot/build, which is not committed. `--watch` rebuilds on change.
import { context } from "esbuild";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const outdir = fileURLToPath(new URL("../static/spot/build", import.meta.url));

await rm(outdir, { recursive: true, force: true });
const bundle = await context({
  absWorkingDir: here,
  entryPoints: ["src/dashboard.js", "src/coin.js", "src/styles/spot.css"],
  entryNames: "[name]",
  outdir,
  bundle: true,
  minify: true,
  sourcemap: true,
  format: "esm",
  // The first versions with `light-dark()`, which the colour tokens use.
  target: ["chrome123", "firefox120", "safari17.5"],
  // Keep licence notices: lightweight-charts and d3-hierarchy ask for theirs.
  legalComments: "linked",
  logLevel: "info",
});

if (process.argv.includes("--watch")) {
  await bundle.watch();
} else {
  await bundle.rebuild();
  await bundle.dispose();
}
