/**
 * Who is asking, for REST and sockets alike. Every token is looked up in PostgreSQL each time, so a revoked one
 * is refused at once; a token that was good before passes the address gate unasked, so that a guesser behind the
 * same address locks nobody out who was let in already.
 */
import type { Pool } from 'pg';
import { PayflowError } from '../shared/errors.ts';
import { hashSecret } from '../shared/tokens.ts';
import { AddressGate, type AddressGateOptions } from './address-gate.ts';
import { authenticate, type Principal } from './http/auth.ts';

const REMEMBERED = 20_000;

export interface Credential {
  readonly address: string;
  readonly token: string;
}

/** A token that was good before a till was enrolled anew is told so; good it is no more either. */
function isRefusal(code: string): boolean {
  return code === 'UNAUTHENTICATED' || code === 'TERMINAL_REPLACED';
}

export class Doorkeeper {
  readonly #pool: Pool;
  readonly #gate: AddressGate;
  /** Hashes of tokens that were good when last asked, the newest last. */
  readonly #known = new Set<string>();

  constructor(pool: Pool, gate: AddressGateOptions) {
    this.#pool = pool;
    this.#gate = new AddressGate(gate);
  }

  /** Whether this token was good when last asked: then it is limited by itself, not with its address. */
  knows(token: string): boolean {
    return this.#known.has(hashSecret(token));
  }

  /** @throws PayflowError UNAUTHENTICATED, RATE_LIMITED */
  async authenticate({ address, token }: Credential): Promise<Principal> {
    const hash = hashSecret(token);
    if (!this.#known.has(hash)) {
      const principal = await this.#gate.pass(address, () => authenticate(this.#pool, token));
      this.#remember(hash);
      return principal;
    }
    try {
      return await authenticate(this.#pool, token);
    } catch (error) {
      // An outage of PostgreSQL says nothing about the token.
      if (error instanceof PayflowError && isRefusal(error.code)) this.#known.delete(hash);
      this.#gate.failed(address, error);
      throw error;
    }
  }

  /** For the enrolment code, which is never known before. @throws PayflowError RATE_LIMITED */
  passWithCode<T>(address: string, attempt: () => Promise<T>): Promise<T> {
    return this.#gate.pass(address, attempt);
  }

  #remember(hash: string): void {
    const [oldest] = this.#known;
    if (this.#known.size >= REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    this.#known.add(hash);
  }
}
