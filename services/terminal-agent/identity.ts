/**
 * Who a till is: terminal.json (what the centre gave it) and terminal.key (its Ed25519 key, which never leaves
 * the machine), both in DATA_DIR and readable by their owner only. Made once, by enrolment.
 *
 * The key is stored before the code is used: if the centre's reply is lost, the same request with the same key
 * gives the same till again.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { isErrorCode } from '../shared/agent-protocol.ts';
import { makeDataDir } from '../shared/data-dir.ts';
import { PayflowError } from '../shared/errors.ts';
import { narrowFile } from '../shared/private-files.ts';

const IDENTITY_FILE = 'terminal.json';
const KEY_FILE = 'terminal.key';
const OWNER_ONLY = 0o600;

const enrolmentSchema = z.object({
  terminalId: z.string().min(1),
  storeId: z.string().min(1),
  token: z.string().min(1),
  databaseId: z.string().min(1),
  prefix: z.string().min(1),
  partition: z.number().int().min(0),
  streams: z.object({ catalog: z.string(), store: z.string(), up: z.string() }),
  mapping: z.object({ version: z.number().int(), source: z.string() }),
  /** Until the mapping record in its streams says otherwise. Missing in a file of an older version. */
  horizonDays: z.number().int().min(1).optional(),
  keyVersion: z.number().int(),
  /** Which of the till's registrations this is; its units say so. Missing in a file of an older version. */
  registration: z.number().int().min(1).optional(),
  brokers: z.array(z.string()).optional(),
});

const identitySchema = enrolmentSchema.extend({ gatewayUrl: z.string() });

/** terminal.json, parsed. */
export type IdentityFile = z.output<typeof identitySchema>;
export type TerminalIdentity = IdentityFile & { readonly privateKey: KeyObject };

export function isEnrolled(dataDir: string): boolean {
  return existsSync(join(dataDir, IDENTITY_FILE)) && existsSync(join(dataDir, KEY_FILE));
}

/** @throws PayflowError TERMINAL_NOT_ENROLLED when a file is missing, CONFIG_INVALID when one is damaged */
export function loadIdentity(dataDir: string): TerminalIdentity {
  if (!isEnrolled(dataDir)) {
    throw new PayflowError('TERMINAL_NOT_ENROLLED', `${dataDir} holds no ${IDENTITY_FILE} and ${KEY_FILE}`);
  }
  const path = join(dataDir, IDENTITY_FILE);
  for (const name of [IDENTITY_FILE, KEY_FILE]) narrowFile(join(dataDir, name));
  try {
    const identity = identitySchema.parse(JSON.parse(readFileSync(path, 'utf8')));
    return { ...identity, privateKey: readKey(dataDir) };
  } catch (cause) {
    throw cause instanceof PayflowError
      ? cause
      : new PayflowError('CONFIG_INVALID', `${path} is damaged`, { cause });
  }
}

export interface EnrolTillOptions {
  readonly dataDir: string;
  readonly gatewayUrl: string;
  readonly code: string;
  /** As this till calls itself; another one's code is refused. */
  readonly terminalId?: string | undefined;
}

/**
 * Uses the code: makes the key, gives its public half to the centre, stores what comes back.
 * @throws PayflowError GATEWAY_UNREACHABLE, ENROLMENT_REFUSED, CONFIG_INVALID when the code is another till's
 */
export async function enrolTill(options: EnrolTillOptions): Promise<TerminalIdentity> {
  const { dataDir, gatewayUrl, code, terminalId } = options;
  makeDataDir(dataDir, 'private');
  if (!existsSync(join(dataDir, KEY_FILE))) writePrivately(dataDir, KEY_FILE, newKey());
  const privateKey = readKey(dataDir);
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
  const enrolment = await requestEnrolment(gatewayUrl, { code, publicKey, terminalId, labelsUnits: true });
  if (terminalId !== undefined && terminalId !== enrolment.terminalId) {
    throw new PayflowError(
      'CONFIG_INVALID',
      `the code is for terminal ${enrolment.terminalId}, but TERMINAL_ID is ${terminalId}`,
    );
  }
  const identity: IdentityFile = { ...enrolment, gatewayUrl };
  writePrivately(dataDir, IDENTITY_FILE, `${JSON.stringify(identity, null, 2)}\n`);
  return { ...identity, privateKey };
}

/** The public half of the key that lies here, in the form in which the centre keeps it; undefined: none does. */
export function ownPublicKey(dataDir: string): string | undefined {
  if (!existsSync(join(dataDir, KEY_FILE))) return undefined;
  return createPublicKey(readKey(dataDir)).export({ type: 'spki', format: 'pem' }).toString();
}

function newKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function readKey(dataDir: string): KeyObject {
  const path = join(dataDir, KEY_FILE);
  try {
    const key = createPrivateKey(readFileSync(path));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (cause) {
    throw new PayflowError('CONFIG_INVALID', `${path} cannot be read as a key`, { cause });
  }
  throw new PayflowError('CONFIG_INVALID', `${path} is not an Ed25519 key`);
}

/** Whole or not at all: a file half written at a power cut would be a till without identity. */
function writePrivately(dataDir: string, name: string, text: string): void {
  const path = join(dataDir, name);
  try {
    writeFileSync(`${path}.new`, text, { mode: OWNER_ONLY, flush: true });
    renameSync(`${path}.new`, path);
  } catch (cause) {
    throw new PayflowError('CONFIG_INVALID', `DATA_DIR: ${path} cannot be written`, { cause });
  }
}

const problemSchema = z.object({ code: z.string(), detail: z.string() });

interface EnrolmentRequest {
  readonly code: string;
  readonly publicKey: string;
  readonly terminalId: string | undefined;
  /** Our units name their registration: a till whose units do not can't be moved to another store. */
  readonly labelsUnits: true;
}

async function requestEnrolment(gatewayUrl: string, body: EnrolmentRequest) {
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(`${gatewayUrl}/api/v1/enroll`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    answer = await response.json();
  } catch (cause) {
    throw new PayflowError('GATEWAY_UNREACHABLE', `${gatewayUrl} does not answer as a gateway`, { cause });
  }
  if (response.ok) return enrolmentSchema.parse(answer);
  const problem = problemSchema.safeParse(answer);
  if (problem.success && isErrorCode(problem.data.code)) {
    throw new PayflowError(problem.data.code, problem.data.detail);
  }
  throw new PayflowError('GATEWAY_UNREACHABLE', `${gatewayUrl} answered with status ${response.status}`);
}
