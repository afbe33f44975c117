/** The chart of `/ticker`, as `build_chart.ts` bundles it. */
export { default } from "uplot";
