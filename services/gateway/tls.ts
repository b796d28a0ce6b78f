/** The certificate of the gateway, for HTTP and sockets alike. */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Config } from '../shared/config.ts';
import { PayflowError } from '../shared/errors.ts';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** @returns undefined where none is set @throws PayflowError CONFIG_INVALID naming the variable */
export function readTls({ gatewayTlsCert, gatewayTlsKey }: Config): TlsFiles | undefined {
  if (gatewayTlsCert === undefined && gatewayTlsKey === undefined) return undefined;
  const cert = pem('GATEWAY_TLS_CERT', gatewayTlsCert);
  const key = pem('GATEWAY_TLS_KEY', gatewayTlsKey);
  try {
    createSecureContext({ cert });
  } catch (cause) {
    throw invalid('GATEWAY_TLS_CERT', 'holds no certificate in PEM', cause);
  }
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    throw invalid('GATEWAY_TLS_KEY', 'holds no key in PEM that fits the certificate', cause);
  }
  return { cert, key };
}

/** The value itself, or what stands in the file that it names. */
function pem(variable: string, value: string | undefined): string {
  if (value === undefined) throw invalid(variable, 'is not set, but its pair is');
  if (value.includes('-----BEGIN')) return value;
  try {
    return readFileSync(value, 'utf8');
  } catch (cause) {
    throw invalid(variable, 'is neither PEM nor a file that can be read', cause);
  }
}

function invalid(variable: string, problem: string, cause?: unknown): PayflowError {
  return new PayflowError('CONFIG_INVALID', `${variable} ${problem}`, {
    cause,
    details: { variables: [variable] },
  });
}
