import assert from "node:assert/strict";
import fc from "fast-check";
import { ErrorCode, Http3Error } from "../../src/http3/error.ts";
import type { Field } from "../../src/http3/qpack.ts";
import { encodeResponseHead, parseRequestHead } from "../../src/http3/request.ts";

const GET: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":authority", "example.com"],
  [":path", "/a?b"],
];
const CONNECT: readonly Field[] = [
  [":method", "CONNECT"],
  [":protocol", "webtransport"],
  [":scheme", "https"],
  [":authority", "example.com:4433"],
  [":path", "/wt"],
];

/** `fields` with the value of the field `name` replaced, or that field left out. */
function change(fields: readonly Field[], name: string, value?: string): Field[] {
  return fields.flatMap((field): Field[] =>
    field[0] !== name ? [field] : value === undefined ? [] : [[name, value]]
  );
}

function rejects(fields: readonly Field[], message: RegExp): void {
  assert.throws(
    () => parseRequestHead(fields),
    (error) =>
      error instanceof Http3Error && error.scope === "stream" &&
      error.code === ErrorCode.MESSAGE_ERROR && message.test(error.message),
    JSON.stringify(fields),
  );
}

Deno.test("parseRequestHead() reads a request, pseudo-header fields in any order", () => {
  const head = parseRequestHead([...GET.toReversed(), ["accept", "*/*"], [
    "origin",
    "https://a.example",
  ]]);
  assert.equal(head.method, "GET");
  assert.equal(head.scheme, "https");
  assert.equal(head.authority, "example.com");
  assert.equal(head.path, "/a?b");
  assert.equal(head.protocol, undefined);
  assert.deepEqual([...head.headers], [["accept", "*/*"], ["origin", "https://a.example"]]);
});

Deno.test("parseRequestHead() reads an extended CONNECT and a plain one", () => {
  assert.equal(parseRequestHead(CONNECT).protocol, "webtransport");
  const plain = parseRequestHead([[":method", "CONNECT"], [":authority", "example.com:443"]]);
  assert.equal(plain.authority, "example.com:443");
  assert.equal(plain.path, undefined);
});

Deno.test("parseRequestHead() joins the parts of a cookie, and repeated fields", () => {
  const { headers } = parseRequestHead([
    ...GET,
    ["cookie", "a=1"],
    ["accept", "text/html"],
    ["cookie", "b=2"],
    ["accept", "text/plain"],
  ]);
  assert.equal(headers.get("cookie"), "a=1; b=2");
  assert.equal(headers.get("accept"), "text/html, text/plain");
});

Deno.test("parseRequestHead() takes a Host in place of :authority, or beside the same one", () => {
  parseRequestHead([...change(GET, ":authority"), ["host", "example.com"]]);
  parseRequestHead([...GET, ["host", "example.com"]]);
  rejects([...GET, ["host", "other.example"]], /Host must equal :authority.*"other\.example"$/);
  rejects(change(GET, ":authority"), /needs an :authority or a Host/);
  rejects(change(GET, ":authority", ""), /needs an :authority or a Host/);
});

Deno.test("parseRequestHead() rejects missing, empty and bad pseudo-header fields", () => {
  rejects([], /needs a :method/);
  rejects(change(GET, ":method"), /needs a :method/);
  rejects(change(GET, ":method", "G T"), /needs a :method/);
  rejects(change(GET, ":scheme"), /needs a :scheme/);
  rejects(change(GET, ":scheme", ""), /needs a :scheme/);
  rejects(change(GET, ":path"), /needs a :path/);
  rejects(change(GET, ":path", ""), /needs a :path/);
  rejects(change(GET, ":path", "a"), /must begin with \//);
  rejects(change(GET, ":path", "*"), /must begin with \//);
  rejects(change(GET, ":path", "/a b"), /without spaces/);
  rejects(change(GET, ":authority", "user@example.com"), /no userinfo/);
  rejects(change(GET, ":authority", "example.com/path?"), /end before the path/);
  parseRequestHead([[":method", "OPTIONS"], ...change(change(GET, ":method"), ":path", "*")]);
});

Deno.test("parseRequestHead() rejects repeated, unknown and late pseudo-header fields", () => {
  rejects([...GET, [":path", "/a?b"]], /repeated.*":path"$/);
  rejects([...GET, [":status", "200"]], /no such pseudo-header field.*":status"$/);
  rejects([...GET, [":Method", "GET"]], /no such pseudo-header field/);
  rejects([["accept", "*/*"], ...GET], /must come first.*":method"$/);
});

Deno.test("parseRequestHead() rejects names with uppercase letters and names that are no token", () => {
  for (const name of ["Accept", "", "a b", "a:b", "ä", "a\n"]) {
    rejects([...GET, [name, "x"]], /must be a lowercase token/);
  }
});

Deno.test("parseRequestHead() rejects values with control characters, but not the tab", () => {
  for (const value of ["a\0b", "a\r\nb", "\n", "\x7f"]) {
    rejects([...GET, ["x", value]], /value must be text/);
    rejects([...change(GET, ":path", `/${value}`)], /value must be text/);
  }
  assert.equal(parseRequestHead([...GET, ["x", "a\tb\xe4"]]).headers.get("x"), "a\tb\xe4");
});

Deno.test("parseRequestHead() rejects the fields of an HTTP/1 connection", () => {
  for (
    const name of ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]
  ) {
    rejects([...GET, [name, "x"]], /belongs to HTTP\/1/);
  }
  rejects([...GET, ["te", "gzip"]], /belongs to HTTP\/1/);
  parseRequestHead([...GET, ["te", "trailers"]]);
});

Deno.test("parseRequestHead() rejects an extended CONNECT without :scheme, :path or :authority", () => {
  rejects(change(CONNECT, ":scheme"), /needs a :scheme/);
  rejects(change(CONNECT, ":path"), /needs a :path/);
  rejects([...change(CONNECT, ":authority"), ["host", "a"]], /needs an :authority/);
  rejects(change(CONNECT, ":protocol", "a b"), /must be a token/);
  rejects([...GET, [":protocol", "webtransport"]], /Only CONNECT has a :protocol.*"GET"$/);
});

Deno.test("parseRequestHead() rejects a plain CONNECT with :scheme or :path, or without :authority", () => {
  const plain = change(CONNECT, ":protocol");
  rejects(change(plain, ":scheme"), /no :scheme and no :path/);
  rejects(change(plain, ":path"), /no :scheme and no :path/);
  rejects([[":method", "CONNECT"]], /needs an :authority/);
});

Deno.test("parseRequestHead() throws nothing but Http3Error", () => {
  const name = fc.oneof(
    fc.constantFrom(":method", ":path", ":scheme", ":authority", ":protocol", "host", "cookie"),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(name, fc.string())), (fields) => {
      try {
        parseRequestHead(fields);
      } catch (error) {
        assert(error instanceof Http3Error && error.message.length < 200, String(error));
      }
    }),
    { seed: 9 },
  );
});

Deno.test("encodeResponseHead() puts :status first, lowercases, and drops HTTP/1's fields", () => {
  const fields = encodeResponseHead(200, {
    "Content-Type": "text/plain",
    "Connection": "close",
    "Transfer-Encoding": "chunked",
    "Keep-Alive": "1",
  });
  assert.deepEqual(fields, [[":status", "200"], ["content-type", "text/plain"]]);
  assert.deepEqual(encodeResponseHead(404), [[":status", "404"]]);
});

Deno.test("encodeResponseHead() keeps each Set-Cookie a field of its own", () => {
  const headers = new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"]]);
  assert.deepEqual(encodeResponseHead(204, headers).slice(1), [
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
  ]);
});

Deno.test("encodeResponseHead() rejects what is no final status", () => {
  for (const status of [101, 199, 600, 200.5, NaN]) {
    assert.throws(() => encodeResponseHead(status), RangeError);
  }
});
