// Bundles the pages into ../static/spot/build, which is not committed. `--watch` rebuilds on change.
import { context } from "esbuild";
import { readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const outdir = fileURLToPath(new URL("../static/spot/build", import.meta.url));

await rm(outdir, { recursive: true, force: true });
const bundle = await context({
  absWorkingDir: here,
  entryPoints: ["src/dashboard.js", "src/coin.js", "src/status.js", "src/reference.js", "src/early.js", "src/client.js", "src/client.d.ts", "src/feeds.d.ts", "src/embed.js", "src/styles/spot.css"],
  entryNames: "[name]",
  assetNames: "[name]",
  loader: { ".woff2": "file", ".d.ts": "copy" },
  outdir,
  bundle: true,
  minify: true,
  sourcemap: true,
  format: "esm",
  // The first versions with `light-dark()`, which the colour tokens use.
  target: ["chrome123", "firefox120", "safari17.5"],
  legalComments: "linked",
  metafile: true,
  logLevel: "info",
});

/** The licences of the packages that went into the bundles: each asks to go where its code goes. */
async function licences({ inputs }) {
  const packages = new Set(Object.keys(inputs).flatMap((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? []));
  const texts = [...packages].sort().map(licence);
  await writeFile(`${outdir}/licences.txt`, (await Promise.all(texts)).join(`\n${"-".repeat(80)}\n\n`));
}

async function licence(name) {
  const folder = `${here}node_modules/${name}`;
  const { version, license, author, homepage } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
  const text = await readFile(`${folder}/LICENSE`, "utf8").catch(() => ""); // some only name theirs
  return `${name} ${version}, ${license} (${homepage ?? author})\n\n${text}`;
}

if (process.argv.includes("--watch")) {
  await bundle.watch();
} else {
  await licences((await bundle.rebuild()).metafile);
  await bundle.dispose();
}
