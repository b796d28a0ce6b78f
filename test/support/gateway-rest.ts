/** A gateway for the REST tests of one file, and requests to it under the token that a test wants. */
import type { Pool } from 'pg';
import { afterAll, beforeAll } from 'vitest';
import type { Enrolment } from '../../services/gateway/terminals.ts';
import { GatewaySite, type PretendAgent, type RunningGateway } from './gateway-site.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed where it is JSON, else the text. */
  readonly body: unknown;
}

/** Starts a gateway before the tests of a file and stops it after them. */
export function useGateway(): GatewayRest {
  const rest = new GatewayRest();
  beforeAll(() => rest.start());
  afterAll(() => rest.stop());
  return rest;
}

export class GatewayRest {
  #site: GatewaySite | undefined;
  #gateway: RunningGateway | undefined;
  /** Tokens of people with these roles. */
  viewer = '';
  operator = '';

  async start(): Promise<void> {
    this.#site = await GatewaySite.start();
    this.#gateway = await this.#site.gateway();
    this.viewer = await this.#site.token('viewer');
    this.operator = await this.#site.token('operator');
  }

  async restartGateway(): Promise<void> {
    await this.gateway.stop();
    this.#gateway = await this.site.gateway();
  }

  async stop(): Promise<void> {
    await this.#site?.stop();
  }

  get site(): GatewaySite {
    if (this.#site === undefined) throw new Error('the site is not started yet');
    return this.#site;
  }

  get gateway(): RunningGateway {
    if (this.#gateway === undefined) throw new Error('the gateway is not started yet');
    return this.#gateway;
  }

  get pool(): Pool {
    return this.site.pool;
  }

  /** Registers and enrols a till. */
  till(terminalId: string, storeId?: string): Promise<Enrolment> {
    return this.site.till(this.gateway, terminalId, storeId);
  }

  /** Connects a till's agent. @returns what disconnects it */
  agent(token: string, agent: PretendAgent): Promise<() => Promise<void>> {
    return this.site.agent(this.gateway, token, agent);
  }

  async call(method: string, path: string, token?: string, body?: unknown): Promise<Answer> {
    const response = await fetch(this.gateway.url + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json') === true;
    return {
      status: response.status,
      headers: response.headers,
      body: json ? (JSON.parse(text) as unknown) : text,
    };
  }
}
