/**
 * Who is asking. A bearer token is a person's or program's (payflow_sync.token; viewer < operator) or a till's
 * (payflow_sync.terminal), which may only ask for its own sync and status. Tokens are found by their SHA-256.
 */
import type { Pool } from 'pg';
import { PayflowError } from '../../shared/errors.ts';
import { ENROLMENT_HOURS, hashSecret, isToken, newToken } from '../../shared/tokens.ts';
import { firstRow, iso, rows } from '../database.ts';
import type { Right } from '../rights.ts';

export type Role = 'viewer' | 'operator';

export type Principal =
  | { readonly kind: 'user'; readonly name: string; readonly role: Role }
  | { readonly kind: 'terminal'; readonly terminalId: string; readonly storeId: string };

interface TokenOwner {
  readonly kind: 'user' | 'terminal';
  readonly name: string;
  readonly extra: string;
  /** This use is to be noted: the minute's first of a user's token, the very first of a till's. */
  readonly note: boolean;
}

/** @throws PayflowError UNAUTHENTICATED when the token is unknown, expired or revoked */
export async function authenticate(pool: Pool, token: string): Promise<Principal> {
  // What we never made need not be looked up.
  if (!isToken(token)) throw unknownToken();
  const hash = hashSecret(token);
  const row = await findOwner(pool, hash);
  if (row === undefined) throw await refusedToken(pool, hash);
  if (row.note) await rows(pool, NOTE_USE[row.kind], [hash]);
  return row.kind === 'user'
    ? { kind: 'user', name: row.name, role: row.extra === 'operator' ? 'operator' : 'viewer' }
    : { kind: 'terminal', terminalId: row.name, storeId: row.extra };
}

function unknownToken(): PayflowError {
  return new PayflowError('UNAUTHENTICATED', 'the token is unknown, expired or revoked');
}

function findOwner(pool: Pool, hash: string): Promise<TokenOwner | undefined> {
  return firstRow<TokenOwner>(
    pool,
    `SELECT 'user' AS kind, name, role AS extra,
            last_used_at IS NULL OR last_used_at < now() - interval '1 minute' AS note
     FROM payflow_sync.token
     WHERE token_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
     UNION ALL
     SELECT 'terminal', terminal_id, store_id, enrolment_hash IS NOT NULL AND ${CODE_IS_EXCHANGED}
     FROM payflow_sync.terminal WHERE token_hash = $1 AND status <> 'retired'`,
    [hash],
  );
}

/** The token is the code's own: a code made since the last enrolment belongs to the next token. */
const CODE_IS_EXCHANGED = `enrolled_at >= enrolment_expires - make_interval(hours => ${ENROLMENT_HOURS})`;

const NOTE_USE: Readonly<Record<TokenOwner['kind'], string>> = {
  user: 'UPDATE payflow_sync.token SET last_used_at = now() WHERE token_hash = $1',
  // Until now the reply to the enrolment could have been lost, and the request come again.
  terminal: `UPDATE payflow_sync.terminal SET enrolment_hash = NULL, enrolment_expires = NULL
             WHERE token_hash = $1 AND ${CODE_IS_EXCHANGED}`,
};

/** A till that was enrolled again elsewhere, or retired, is told so: its own word `unknown` would be no help. */
async function refusedToken(pool: Pool, hash: string): Promise<PayflowError> {
  const former = await firstRow<{ terminal_id: string; until: string; gone: boolean }>(
    pool,
    `SELECT terminal_id, ${iso('former_token_until')} AS until, status = 'retired' OR retire_offset IS NOT NULL AS gone
       FROM payflow_sync.terminal WHERE former_token_hash = $1`,
    [hash],
  );
  if (former === undefined) return unknownToken();
  const { terminal_id: terminal, until, gone } = former;
  return gone
    ? new PayflowError('UNAUTHENTICATED', `terminal ${terminal} was retired at ${until}`)
    : new PayflowError(
        'TERMINAL_REPLACED',
        `terminal ${terminal} was enrolled again with another key at ${until}; this installation no longer counts`,
      );
}

/** @returns those of the tokens that are valid now; one question, however many they are */
export async function validTokens(pool: Pool, tokens: readonly string[]): Promise<Set<string>> {
  const byHash = new Map(tokens.map((token) => [hashSecret(token), token]));
  const valid = await rows<{ token_hash: string }>(
    pool,
    `SELECT token_hash FROM payflow_sync.token
     WHERE token_hash = ANY ($1) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
     UNION ALL
     SELECT token_hash FROM payflow_sync.terminal WHERE token_hash = ANY ($1) AND status <> 'retired'`,
    [[...byHash.keys()]],
  );
  return new Set(valid.flatMap(({ token_hash: hash }) => byHash.get(hash) ?? []));
}

/** @throws PayflowError UNAUTHENTICATED when there is no bearer token in the header */
export function bearerToken(authorization: string | undefined): string {
  const match = /^Bearer +([\w.~+/=-]+)$/i.exec(authorization ?? '');
  if (match?.[1] === undefined) throw new PayflowError('UNAUTHENTICATED', 'a bearer token is needed');
  return match[1];
}

/** Whether this principal may use such a route; a till's own is for the handler to compare. */
export function mayUse(right: Right, principal: Principal): boolean {
  switch (right) {
    case 'everyone':
    case 'enrolment code':
      return true;
    case 'viewer':
      return principal.kind === 'user';
    case 'operator':
      return principal.kind === 'user' && principal.role === 'operator';
    case 'viewer or own till':
      return true;
    case 'operator or own till':
      return principal.kind === 'terminal' || principal.role === 'operator';
  }
}

/** @throws PayflowError FORBIDDEN unless the principal is a user with at least this role */
export function requireRole(principal: Principal, role: Role): void {
  const enough = principal.kind === 'user' && (role === 'viewer' || principal.role === 'operator');
  if (!enough) throw new PayflowError('FORBIDDEN', `this needs a token with the role ${role}`);
}

/** A till passes for itself, a user with the role for any. @throws PayflowError FORBIDDEN */
export function requireRoleOrSelf(principal: Principal, role: Role, terminalId: string | undefined): void {
  if (principal.kind === 'user') return requireRole(principal, role);
  if (principal.terminalId !== terminalId) {
    throw new PayflowError('FORBIDDEN', 'a till may only ask for its own sync and status');
  }
}

export interface TokenRow {
  readonly tokenId: string;
  readonly name: string;
  readonly role: Role;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  /** To the minute; null: never used. */
  readonly lastUsedAt: string | null;
}

const TOKEN_COLUMNS = `token_id AS "tokenId", name, role, ${iso('created_at')} AS "createdAt",
  ${iso('expires_at')} AS "expiresAt", ${iso('revoked_at')} AS "revokedAt",
  ${iso('last_used_at')} AS "lastUsedAt"`;

export interface CreateTokenOptions {
  readonly name: string;
  readonly role: Role;
  /** Without it the token lives until it is revoked. */
  readonly expiresInSeconds?: number | undefined;
}

/** The token itself is returned here and never again. */
export async function createToken(
  pool: Pool,
  options: CreateTokenOptions,
): Promise<TokenRow & { token: string }> {
  const token = newToken('user');
  const row = await firstRow<TokenRow>(
    pool,
    `INSERT INTO payflow_sync.token (name, role, token_hash, expires_at)
     VALUES ($1, $2, $3, now() + make_interval(secs => $4)) RETURNING ${TOKEN_COLUMNS}`,
    [options.name, options.role, hashSecret(token), options.expiresInSeconds ?? null],
  );
  if (row === undefined) throw new PayflowError('INTERNAL', 'INSERT … RETURNING gave no row');
  return { ...row, token };
}

export async function listTokens(pool: Pool): Promise<TokenRow[]> {
  return rows(pool, `SELECT ${TOKEN_COLUMNS} FROM payflow_sync.token ORDER BY created_at, token_id`);
}

/** @param nameOrId tokens of this name that are still valid, or the one with this id; @throws PayflowError NOT_FOUND */
export async function revokeToken(pool: Pool, nameOrId: string): Promise<number> {
  const revoked = await rows(
    pool,
    `UPDATE payflow_sync.token SET revoked_at = now()
     WHERE (token_id::text = $1 OR name = $1) AND revoked_at IS NULL RETURNING token_id`,
    [nameOrId],
  );
  if (revoked.length === 0) throw new PayflowError('NOT_FOUND', `there is no valid token ${nameOrId}`);
  return revoked.length;
}

/** For a token that its maker has used up: nothing of it stays. */
export async function removeToken(pool: Pool, tokenId: string): Promise<void> {
  await rows(pool, 'DELETE FROM payflow_sync.token WHERE token_id = $1', [tokenId]);
}
