import assert from "node:assert/strict";
import fc from "fast-check";
import { parseAvailableProtocols, serializeProtocol } from "../../src/webtransport/subprotocol.ts";

Deno.test("parseAvailableProtocols() reads a list of strings in its order", () => {
  assert.deepEqual(parseAvailableProtocols(`"b", "a"`), ["b", "a"]);
  assert.deepEqual(parseAvailableProtocols(`  "one"\t,\t"two"  `), ["one", "two"]);
  assert.deepEqual(parseAvailableProtocols(`"a\\"b\\\\c"`), [`a"b\\c`]);
  assert.deepEqual(parseAvailableProtocols(`""`), [""]);
  assert.deepEqual(parseAvailableProtocols(""), []);
  assert.deepEqual(parseAvailableProtocols(null), []);
});

Deno.test("parseAvailableProtocols() skips parameters", () => {
  const field = `"a";q=0.5;x, "b"; y="\\"";z=?1;t=tok/en;n=-12;b=:aGk=:;d=@1659578233`;
  assert.deepEqual(parseAvailableProtocols(field), ["a", "b"]);
});

Deno.test("parseAvailableProtocols() takes a field that is no list of strings for absent", () => {
  const wrong = [
    `a`,
    `"a`,
    `"a",`,
    `"a" "b"`,
    `"a", b`,
    `"a", 1`,
    `("a")`,
    `"é"`,
    `"a\\x"`,
    `,"a"`,
  ];
  for (const field of wrong) assert.deepEqual(parseAvailableProtocols(field), [], field);
});

Deno.test("serializeProtocol() writes a string that parseAvailableProtocols() reads", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme-ascii" }), (protocol) => {
      assert.deepEqual(parseAvailableProtocols(serializeProtocol(protocol)), [protocol]);
    }),
    { seed: 1 },
  );
});

Deno.test("serializeProtocol() refuses what no string can hold", () => {
  for (const protocol of ["é", "a\nb", "\x7f"]) {
    assert.throws(() => serializeProtocol(protocol), TypeError);
  }
});
