import type { Identity } from "./access.ts";
import { matchesChannel } from "./channel_pattern.ts";
import type { SessionInfo } from "../session_info.ts";

/** What a client may or may not do with a channel. */
export type Action = "subscribe" | "publish" | "presence" | "history";

/** Lets in whom all of its parts hold for. */
export interface PermissionRule {
  /** The client has shown a token that says who it is. */
  readonly authenticated?: true;
  /**
   * Claims that the client's token must have, with these values; of a claim that is a list, one
   * must be the value, and of `scope` one of its words (RFC 8693 §4.2).
   */
  readonly claim?: Readonly<Record<string, string | number | boolean>>;
  /**
   * What the channel must be called: `{user}` stands for the client's user, `{name}` for the claim
   * of that name, and `*` for anything. `user:#{user}` is `user:#42` for user 42 alone.
   */
  readonly pattern?: string;
  /**
   * The client has subscribed with a token for this channel: a JSON Web Token with the channel's
   * name as its `channel`, and the client's user as its `sub` if it has one.
   */
  readonly token?: true;
}

/** What an app is asked where it decides by itself. */
export interface PermissionRequest {
  readonly session: SessionInfo;
  readonly action: Action;
  readonly channel: string;
}

/** The app's own decision; what it throws is as of a hook. */
export type PermissionHook = (request: PermissionRequest) => boolean | Promise<boolean>;

/** Whether nobody may, everybody, those whom a rule lets in, or those whom the app does. */
export type Permission = boolean | PermissionRule | PermissionHook;

/** What clients may do with the channels of a namespace. The server itself may do everything. */
export interface Permissions {
  /** What is published is heard, and what was missed is recovered. */
  readonly subscribe: Permission;
  /** Publications are taken. */
  readonly publish: Permission;
  /** Who is there is told, where the namespace has presence: asked for, by joins and by leaves. */
  readonly presence: Permission;
  /** What is kept can be read. */
  readonly history: Permission;
}

/** Nobody may do anything: what is not said otherwise. */
export const CLOSED: Permissions = {
  subscribe: false,
  publish: false,
  presence: false,
  history: false,
};

/** Everybody may do everything, those included of whom nothing is known. */
export const OPEN: Permissions = { subscribe: true, publish: true, presence: true, history: true };

/** Whether a rule lets `identity` in; `granted`: it has shown a token for the channel. */
export function allows(
  rule: boolean | PermissionRule,
  { user, claims }: Identity,
  channel: string,
  granted: boolean,
): boolean {
  if (typeof rule === "boolean") return rule;
  const { authenticated, claim, pattern, token } = rule;
  if (authenticated && user === undefined) return false;
  if (token && !granted) return false;
  for (const name in claim) {
    const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
    if (!hasValue(name, value, claim[name])) return false;
  }
  return pattern === undefined || matchesChannel(pattern, channel, user, claims);
}

function hasValue(name: string, value: unknown, wanted: unknown): boolean {
  if (Array.isArray(value)) return value.includes(wanted);
  if (name === "scope" && typeof value === "string") return value.split(" ").includes(`${wanted}`);
  return value === wanted;
}
