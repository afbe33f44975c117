import { toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import {
  channelsSchema,
  disconnectSchema,
  doneSchema,
  historyPageSchema,
  historySchema,
  infoSchema,
  membersSchema,
  presenceSchema,
  problemSchema,
  publicationSchema,
  publishedManySchema,
  publishedSchema,
  publishManySchema,
  removeSchema,
} from "./schemas.ts";

/** What one resource takes and gives. */
interface Operation {
  readonly method: "get" | "post";
  readonly summary: string;
  readonly query?: v.GenericSchema;
  readonly body?: v.GenericSchema;
  readonly answer: v.GenericSchema;
}

const OPERATIONS: Readonly<Record<string, Operation>> = {
  "/publish": {
    method: "post",
    summary: "Publish to all subscribers of a channel, on all nodes",
    body: publicationSchema,
    answer: publishedSchema,
  },
  "/publish-many": {
    method: "post",
    summary: "Publish many in their order; one that fails does not stop the others",
    body: publishManySchema,
    answer: publishedManySchema,
  },
  "/remove": {
    method: "post",
    summary: "Remove a key of a latest channel",
    body: removeSchema,
    answer: publishedSchema,
  },
  "/disconnect": {
    method: "post",
    summary: "End a session, or all of a user, on whatever node they are",
    body: disconnectSchema,
    answer: doneSchema,
  },
  "/presence": {
    method: "get",
    summary: "Who is in a channel, on all nodes, the longest present first, and how many they are",
    query: presenceSchema,
    answer: membersSchema,
  },
  "/history": {
    method: "get",
    summary: "The newest publications of a channel, or the oldest after a position",
    query: historySchema,
    answer: historyPageSchema,
  },
  "/channels": {
    method: "get",
    summary: "The channels that have subscribers on this node",
    answer: channelsSchema,
  },
  "/info": { method: "get", summary: "This node", answer: infoSchema },
};

/** The API as OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0), made of what checks requests. */
export const openApi: Readonly<Record<string, unknown>> = {
  openapi: "3.1.0",
  info: {
    title: "Slipstream",
    version: "1",
    description: "The HTTP API for backends. Errors are problem details (RFC 9457).",
  },
  security: [{ key: [] }],
  components: {
    securitySchemes: { key: { type: "http", scheme: "bearer" } },
    schemas: { Problem: schemaOf(problemSchema) },
  },
  paths: Object.fromEntries(
    Object.entries(OPERATIONS).map(([path, operation]) => [`/api${path}`, describe(operation)]),
  ),
};

function describe({ method, summary, query, body, answer }: Operation) {
  return {
    [method]: {
      summary,
      ...(query && { parameters: parametersOf(query) }),
      ...(body && { requestBody: { required: true, content: json(schemaOf(body)) } }),
      responses: {
        "200": { description: "Done", content: json(schemaOf(answer)) },
        default: {
          description: "What was wrong",
          content: {
            "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
          },
        },
      },
    },
  };
}

function json(schema: object) {
  return { "application/json": { schema } };
}

function parametersOf(query: v.GenericSchema) {
  const { properties = {}, required = [] } = schemaOf(query);
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
  }));
}

function schemaOf(schema: v.GenericSchema) {
  // Of what a request says; checks and transformations that JSON Schema has no word for stay code.
  const { $schema: _, ...rest } = toJsonSchema(schema, { typeMode: "input", errorMode: "ignore" });
  return rest;
}
