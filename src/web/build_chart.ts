/**
 * Bundles uPlot, the chart of `/ticker`, into `src/web/built/uplot.js`: pages load nothing from
 * elsewhere. Does nothing while it is there and newer than this file.
 *
 * To be run from the project's root, with `--unstable-bundle --allow-read
 * --allow-write=src/web/built`: the package lies in Deno's cache.
 *
 * @module
 */
const TARGET = "src/web/built/uplot.js";

async function bundleChart(): Promise<void> {
  const { success, errors, outputFiles } = await Deno.bundle({
    entrypoints: ["src/web/uplot.ts"],
    platform: "browser",
    minify: true,
    write: false,
  });
  const file = outputFiles?.[0];
  if (!success || file === undefined) {
    throw new Error(`uPlot could not be bundled: ${errors.map(({ text }) => text).join("; ")}`);
  }
  Deno.mkdirSync("src/web/built", { recursive: true });
  Deno.writeTextFileSync(
    TARGET,
    `// uPlot, MIT licence, https://github.com/leeoniya/uPlot\n${file.text()}`,
  );
}

/** When a file changed last, in milliseconds since 1970; 0 if there is none. */
function modified(path: string): number {
  try {
    return Deno.statSync(path).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

if (modified(TARGET) < modified("src/web/build_chart.ts")) await bundleChart();
