/** A request and its JSON answer, however long that takes: fetch gives up on an answer that has not begun in five minutes. */
import http from 'node:http';
import https from 'node:https';
import { json } from 'node:stream/consumers';

export interface JsonRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
}

export interface JsonAnswer {
  readonly status: number;
  readonly answer: unknown;
}

/** @throws Error where the connection fails or is aborted, or the answer is no JSON */
export function requestJson(
  url: string,
  { method, headers, body, signal }: JsonRequest,
): Promise<JsonAnswer> {
  const { request } = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, signal }, (response) => {
      json(response).then((answer) => resolve({ status: response.statusCode ?? 0, answer }), reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
