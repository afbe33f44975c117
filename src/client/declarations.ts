/**
 * The types of the SDK as one file that stands alone, made from the sources: with explicit types
 * on everything that is exported, little but function bodies must go.
 *
 * @module
 */

/**
 * The declarations that the exports of `entry` need, and only those exported. `entry` is the
 * source of a module that re-exports by name; `sources` are those of the modules it reaches.
 *
 * @throws {Error} If a declaration is missing, or of a kind that is not understood.
 */
export function rollUpDeclarations(entry: string, sources: readonly string[]): string {
  const declarations = new Map<string, string>();
  for (const source of sources) {
    for (const text of statements(source)) {
      const name = DECLARED.exec(text)?.[1];
      if (name !== undefined && !declarations.has(name)) declarations.set(name, text);
    }
  }
  const exported = new Set(exportedNames(entry));
  const reached = new Set(exported);
  for (const name of reached) {
    const text = declarations.get(name);
    if (text === undefined) throw new Error(`A declaration of this export was expected: ${name}`);
    const declaration = declare(text);
    declarations.set(name, declaration);
    for (const [word] of declaration.replace(COMMENT, "").matchAll(/[A-Za-z_]\w*/g)) {
      if (declarations.has(word)) reached.add(word);
    }
  }
  const parts = [...reached].map((name) => {
    const text = declarations.get(name)!;
    return exported.has(name) ? text : text.replace(/^export /m, "");
  });
  // An empty export makes it a module in which only what says so is exported.
  return `${parts.join("\n\n")}\n\nexport {};\n`;
}

const COMMENT = /\/\*\*[^]*?\*\//g;

const DECLARED = /^export (?:class|const|function|interface|type) (\w+)/m;

/** The names that a module re-exports. */
function exportedNames(source: string): string[] {
  return [...source.matchAll(/^export (?:type )?\{([^}]*)\} from/gm)].flatMap(([, list]) =>
    list!.split(",").map((name) => name.replace("type ", "").trim()).filter((name) => name !== "")
  );
}

/** The top-level statements of a formatted source, each with the comment before it. */
function statements(source: string): string[] {
  const found: string[] = [];
  let lines: string[] = [];
  let block = false;
  for (const line of source.split("\n")) {
    if (line === "" && lines.length === 0) continue;
    lines.push(line);
    if (/^\w.*\{$/.test(line)) block = true;
    if (/^\}/.test(line) || (!block && /^[^/ *].*;$|^ {2}.*;$/.test(line))) {
      found.push(lines.join("\n"));
      lines = [];
      block = false;
    }
  }
  return found;
}

/** A statement as a declaration of its types alone. */
function declare(text: string): string {
  const [, kind] = /^export (\w+)/m.exec(text)!;
  switch (kind) {
    case "interface":
    case "type":
      return text;
    case "function":
      return text.replace(/^export function (.*) \{\n[^]*/m, "export declare function $1;");
    case "class":
      return text.replace(/^export class/m, "export declare class")
        .replace(/^ {2}override /gm, "  ")
        .replace(/^ {2}(constructor\(.*\)) \{\n[^]*?^ {2}\}$/gm, "  $1;");
    case "const":
      return text.replace(/^export const (\w+) = \{/m, "export declare const $1: {")
        .replace(/^ {2}(\w+): (.*),$/gm, "  readonly $1: $2;")
        .replace(/^\} as const;$/m, "};");
    default:
      throw new Error(`An interface, type, function, class or constant was expected: ${kind}`);
  }
}
