/** Okabe and Ito's colours, which the colour-blind can tell apart. */
export const COLOURS = ["#d55e00", "#e69f00", "#cc79a7", "#009e73", "#0072b2", "#56b4e9"];

/** A line of text at a point, escaped. */
export function text(x: number, y: number, content: string, attributes = ""): string {
  const escaped = content.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  return `<text x="${x.toFixed(1)}" y="${
    y.toFixed(1)
  }" fill="#222" ${attributes}>${escaped}</text>`;
}

/** A whole document on white. */
export function svg(width: number, height: number, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
    `font-family="system-ui, sans-serif" font-size="13" fill="none">\n` +
    `<rect width="${width}" height="${height}" fill="#fff"/>\n${content}\n</svg>\n`;
}
