/**
 * Serves the files of one folder, never what is outside it or hidden in it. Files are read at each
 * request: they are few and small, and a change shows at once.
 */
export class StaticFiles {
  readonly #folder: URL;

  /** @param folder A `file:` URL that ends in a slash. */
  constructor(folder: URL) {
    this.#folder = folder;
  }

  /** The response for `path` (`/page.css`), or `undefined` if there is no such file. */
  async respond(path: string, request: Request): Promise<Response | undefined> {
    const type = CONTENT_TYPES[path.slice(path.lastIndexOf(".") + 1)];
    if (type === undefined || !SAFE_PATH.test(path)) return undefined;
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = await Deno.readFile(new URL(`.${path}`, this.#folder));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.IsADirectory) {
        return undefined;
      }
      throw error;
    }
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const etag = `"${digest.toBase64({ alphabet: "base64url" }).slice(0, 22)}"`;
    const headers = { "content-type": type, "cache-control": "no-cache", etag };
    if (request.headers.get("if-none-match") === etag) {
      return new Response(null, { status: 304, headers });
    }
    return new Response(request.method === "HEAD" ? null : bytes, { headers });
  }
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  map: "application/json",
  svg: "image/svg+xml",
  ts: "text/plain; charset=utf-8",
};

/** Plain names below the folder: no dot first, so neither `..` nor hidden files. */
const SAFE_PATH = /^(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/;
