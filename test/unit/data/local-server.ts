/** A web server on this machine that gives files, whole or from some byte on, and can be told to fail. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Served {
  readonly body: Uint8Array;
  readonly etag?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface LocalServer {
  readonly url: string;
  /** Method, path and range of each request, in order. */
  readonly asked: string[];
  /** What lies at each path; may be changed while it runs. */
  readonly files: Map<string, Served>;
  /** Cuts the connection of the next answers after so many bytes, one number for each. */
  readonly cuts: number[];
  close(): Promise<void>;
}

export async function localServer(): Promise<LocalServer> {
  const asked: string[] = [];
  const files = new Map<string, Served>();
  const cuts: number[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const path = decodeURIComponent(request.url ?? "/");
    const { range } = request.headers;
    asked.push(`${path}${range ? ` ${range}` : ""}`);
    const found = files.get(path);
    if (!found) {
      response.writeHead(404, { "x-error-code": "RepoNotFound" }).end("nothing here");
      return;
    }
    const { body, etag, headers } = found;
    const wanted = request.headers["if-range"];
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
    const partial = first !== undefined && (wanted === undefined || wanted === etag);
    const [from, to] = partial ? [Number(first), last ? Number(last) + 1 : body.length] : [0, body.length];
    const part = body.subarray(from, to);
    response.writeHead(partial ? 206 : 200, {
      "content-length": part.length,
      ...(etag && { etag }),
      ...(partial && { "content-range": `bytes ${from}-${to - 1}/${body.length}` }),
      ...headers,
    });
    const cut = cuts.shift(); // the connection breaks once what was sent has surely been read
    if (cut === undefined || part.length <= 1) response.end(part);
    else response.write(part.subarray(0, cut), () => setTimeout(() => response.destroy(), 500));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    files,
    cuts,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
