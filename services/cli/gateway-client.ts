/**
 * The gateway as the CLI uses it. The token is PAYFLOW_TOKEN; where there is none but a DATABASE_URL, one that
 * lives for minutes is made and removed again.
 */
import { userInfo } from 'node:os';
import type { Pool } from 'pg';
import { z } from 'zod';
import { createToken, removeToken } from '../gateway/http/auth.ts';
import { isErrorCode } from '../shared/agent-protocol.ts';
import type { Readiness } from '../gateway/status.ts';
import type { Config } from '../shared/config.ts';
import { PayflowError } from '../shared/errors.ts';
import type { Cli } from './cli.ts';
import { requestJson, type JsonAnswer } from './json-request.ts';
import { centreConfig, withDatabase } from './centre.ts';

const TOKEN_SECONDS = 3600;

export interface GatewayClientOptions {
  readonly url: string;
  /** Empty: only for what needs none. */
  readonly token: string;
  readonly signal: AbortSignal;
  /** For each request; without it, as long as Node waits. */
  readonly timeoutMs?: number | undefined;
}

export class GatewayClient {
  readonly #url: string;
  readonly #token: string;
  readonly #signal: AbortSignal;
  readonly #timeoutMs: number | undefined;

  constructor(options: GatewayClientOptions) {
    this.#url = options.url;
    this.#token = options.token;
    this.#signal = options.signal;
    this.#timeoutMs = options.timeoutMs;
  }

  /** @throws PayflowError with the gateway's own code, or GATEWAY_UNREACHABLE */
  async get<T>(path: string): Promise<T> {
    return this.#request<T>('GET', path);
  }

  async post<T>(path: string, body: unknown): Promise<T> {
    return this.#request<T>('POST', path, body);
  }

  /** `/readyz`, which answers 503 with the same document where something is not ready. */
  async readiness(): Promise<Readiness> {
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(`${this.#url}/readyz`, { signal: this.#inTime() });
      answer = await response.json();
    } catch (cause) {
      throw this.#unreachable(cause);
    }
    const readiness = readinessSchema.safeParse(answer);
    if (readiness.success) return readiness.data;
    throw problemError(response.status, answer, this.#url);
  }

  #inTime(): AbortSignal {
    if (this.#timeoutMs === undefined) return this.#signal;
    return AbortSignal.any([this.#signal, AbortSignal.timeout(this.#timeoutMs)]);
  }

  #unreachable(cause: unknown): PayflowError {
    const message = this.#signal.aborted ? 'interrupted' : `${this.#url} does not answer as a gateway`;
    return new PayflowError('GATEWAY_UNREACHABLE', message, { cause });
  }

  async #request<T>(method: string, path: string, body?: unknown): Promise<T> {
    let reply: JsonAnswer;
    try {
      reply = await requestJson(`${this.#url}/api/v1${path}`, {
        method,
        signal: this.#inTime(),
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (cause) {
      throw this.#unreachable(cause);
    }
    const { status, answer } = reply;
    if (status >= 200 && status < 300) return answer as T;
    throw problemError(status, answer, this.#url);
  }
}

const readinessSchema = z.object({
  ready: z.boolean(),
  parts: z.array(z.object({ name: z.string(), ready: z.boolean(), problem: z.string().exactOptional() })),
});
const problemSchema = z.object({ code: z.string(), detail: z.string(), field: z.string().optional() });

function problemError(status: number, answer: unknown, url: string): PayflowError {
  const problem = problemSchema.safeParse(answer);
  if (!problem.success || !isErrorCode(problem.data.code)) {
    return new PayflowError('GATEWAY_UNREACHABLE', `${url} answered with status ${status}`);
  }
  const { code, detail, field } = problem.data;
  return new PayflowError(code, detail, field === undefined ? {} : { details: { field } });
}

export function gatewayUrl(config: Config): string {
  if (config.gatewayUrl !== undefined) return config.gatewayUrl;
  const host = config.gatewayHost === '0.0.0.0' ? '127.0.0.1' : config.gatewayHost;
  const scheme = config.gatewayTlsCert === undefined ? 'http' : 'https';
  return `${scheme}://${host}:${config.gatewayPort}`;
}

/** Runs `body` with a client that has a token of the role operator. */
export async function withGateway<T>(cli: Cli, body: (client: GatewayClient) => Promise<T>): Promise<T> {
  const { signal } = cli;
  const config = centreConfig(cli);
  const url = gatewayUrl(config);
  if (config.payflowToken !== undefined) {
    return body(new GatewayClient({ url, token: config.payflowToken, signal }));
  }
  if (config.databaseUrl === undefined) {
    throw new PayflowError('CONFIG_INVALID', 'PAYFLOW_TOKEN is not set, nor is DATABASE_URL', {
      details: { variables: ['PAYFLOW_TOKEN', 'DATABASE_URL'] },
    });
  }
  return withDatabase(cli, (pool) =>
    withOwnToken(pool, (token) => body(new GatewayClient({ url, token, signal }))),
  );
}

/** Kept with what the command asks for. Some accounts in containers have no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'an account without a name';
  }
}

async function withOwnToken<T>(pool: Pool, body: (token: string) => Promise<T>): Promise<T> {
  const { token, tokenId } = await makeOwnToken(pool);
  try {
    return await body(token);
  } finally {
    await removeToken(pool, tokenId);
  }
}

/** Of the role operator; it ends by itself, and its maker removes it before. @throws PayflowError of the database */
export async function makeOwnToken(pool: Pool): Promise<{ token: string; tokenId: string }> {
  return createToken(pool, {
    name: `payflow command of ${userName()}`,
    role: 'operator',
    expiresInSeconds: TOKEN_SECONDS,
  });
}
