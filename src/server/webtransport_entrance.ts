import type { RequestInfo } from "../options.ts";
import type { ClientAddresses } from "../proxy/client_address.ts";
import type { ClientAddress } from "../transport/transport.ts";
import type { WebTransportHandler } from "../transport/webtransport.ts";
import type { WebTransportRequest } from "../webtransport/connect.ts";
import type { WebTransportSession } from "../webtransport/session.ts";
import type { Door } from "./door.ts";
import type { OriginGate } from "./origin_gate.ts";
import { retryAfter } from "./retry_after.ts";

/** An app's own protocol: it accepts or rejects the request, and has the raw session. */
export type WebTransportRoute = (
  request: WebTransportRequest,
  info: RequestInfo,
) => void | Promise<void>;

/** Where WebTransport comes in: ours at `/rt/wt`, an app's own at the paths it names. */
export class WebTransportEntrance {
  readonly #gate: OriginGate;
  readonly #addresses: ClientAddresses;
  readonly #door: Door;
  readonly #handler: WebTransportHandler;
  readonly #routes = new Map<string, WebTransportRoute>();

  constructor(
    gate: OriginGate,
    addresses: ClientAddresses,
    door: Door,
    handler: WebTransportHandler,
  ) {
    this.#gate = gate;
    this.#addresses = addresses;
    this.#door = door;
    this.#handler = handler;
  }

  /** @throws {TypeError} If `path` does not begin with a slash, or is taken. */
  addRoute(path: string, route: WebTransportRoute): void {
    if (!path.startsWith("/")) {
      throw new TypeError(`A WebTransport path must begin with a slash: ${JSON.stringify(path)}`);
    }
    if (this.#routes.has(path) || path === OWN_PATH) {
      throw new TypeError(`A WebTransport path can have one handler: ${JSON.stringify(path)}`);
    }
    this.#routes.set(path, route);
  }

  /** Answers a request for a session. The origin comes first, whatever the path. */
  async receive(request: WebTransportRequest): Promise<void> {
    if (!this.#gate.check(request.headers, request.url).allowed) return request.reject(403);
    const { remoteAddr: { hostname: address }, headers, url } = request;
    const sender = this.#addresses.of({ address }, headers, "http3");
    if (url.pathname === OWN_PATH) return await this.#take(request, sender);
    const route = this.#routes.get(url.pathname);
    if (route === undefined) return request.reject(404);
    await route(request, { address: sender.address });
  }

  async #take(request: WebTransportRequest, sender: ClientAddress): Promise<void> {
    const pass = request.url.searchParams.get("pass") ?? undefined;
    const visit = this.#door.enter(sender, pass);
    if (!visit.admitted) {
      const { status, headers } = retryAfter(visit);
      return request.reject(status, headers);
    }
    let session: WebTransportSession;
    try {
      session = await request.accept();
    } catch {
      // The client went away before it had its answer.
      return visit.abandon();
    }
    this.#handler.handle(session, sender, (transport) => visit.accept(transport));
  }
}

const OWN_PATH = "/rt/wt";
