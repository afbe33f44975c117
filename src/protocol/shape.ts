/**
 * How the messages of one direction are laid out, in both dialects: by type, the byte that stands
 * for it and its fields, in the order of the binary dialect. The kind of a field is the name of the
 * method that reads it, in `binary_*.ts` and `json_*.ts` alike, and that writes it.
 */
export type Shapes<
  Message extends { readonly type: string },
  Kind extends string,
  LaidOutElsewhere extends Message["type"],
> = {
  readonly [Type in Message["type"]]: readonly [
    byte: number,
    fields: Type extends LaidOutElsewhere ? Record<never, Kind> : FieldsOf<Message, Type, Kind>,
  ];
};

/** The kind of each field, by its name, in the order in which they are read and written. */
export type Fields<Kind extends string> = Readonly<Record<string, Kind>>;

/** What was read of a message so far; what is optional and not there is left out. */
export type Incomplete = Record<string, unknown>;

/** Reads a field of each kind; `undefined` if it is not there. */
export type FieldReader<Kind extends string> = {
  readonly [Name in Kind]: (name: string, before: Incomplete) => unknown;
};

/** Writes a field of each kind; `undefined` if it is not there. */
export type FieldWriter<Kind extends string> = {
  readonly [Name in Kind]: (value: never) => void;
};

/** Reads `fields` one after the other into `message`. */
export function readFields<Kind extends string>(
  message: Incomplete,
  fields: Fields<Kind>,
  reader: FieldReader<Kind>,
): unknown {
  for (const name in fields) {
    const value = reader[fields[name]!](name, message);
    if (value !== undefined) message[name] = value;
  }
  return message;
}

/** Writes `fields` of `message` one after the other. */
export function writeFields<Kind extends string>(
  message: object,
  fields: Fields<Kind>,
  writer: FieldWriter<Kind>,
): void {
  for (const name in fields) writer[fields[name]!]((message as Incomplete)[name] as never);
}

/** The type that `byte` stands for, or `undefined` if it stands for none. */
export function typeOf<Type extends string>(
  shapes: Readonly<Record<Type, readonly [byte: number, unknown]>>,
  byte: number,
): Type | undefined {
  for (const type in shapes) if (shapes[type][0] === byte) return type;
  return undefined;
}

type FieldsOf<Message, Type, Kind> = Message extends { readonly type: infer Types }
  ? Type extends Types ? { readonly [Name in Exclude<keyof Message, "type">]-?: Kind } : never
  : never;
