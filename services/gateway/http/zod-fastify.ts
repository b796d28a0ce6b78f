/** Zod schemas as Fastify's validators and as the OpenAPI document: a route states its form once. */
import type { FastifyInstance, FastifySchema } from 'fastify';
import { z } from 'zod';
import { PayflowError } from '../../shared/errors.ts';

/** What a route declares beside its handler. */
export interface RouteSchema extends FastifySchema {
  readonly body?: z.ZodType;
  readonly querystring?: z.ZodType;
  readonly params?: z.ZodType;
  readonly response?: Readonly<Record<number, z.ZodType>>;
}

/** Parses requests by zod; the first issue becomes VALIDATION with its field. */
export function useZod(app: FastifyInstance): void {
  app.setValidatorCompiler(({ schema }) => (data: unknown) => {
    const parsed = (schema as unknown as z.ZodType).safeParse(data ?? {});
    if (!parsed.success) return { error: validationError(parsed.error) };
    const field = fieldWithNul(parsed.data);
    if (field === undefined) return { value: parsed.data };
    // PostgreSQL takes none in a text, and nothing that can be asked for holds one.
    const message = `${field}: holds a NUL character`;
    return { error: new PayflowError('VALIDATION', message, { details: { field } }) };
  });
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
}

/** The path of the first text with a NUL in it, as zod names paths. */
function fieldWithNul(value: unknown, path = ''): string | undefined {
  if (typeof value === 'string') return value.includes('\0') ? path || 'body' : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, inner] of Object.entries(value)) {
    const at = path === '' ? name : `${path}.${name}`;
    const found = name.includes('\0') ? at : fieldWithNul(inner, at);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function validationError(error: z.ZodError): PayflowError {
  const [issue] = error.issues;
  const unknownKey = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const field = unknownKey ?? (issue?.path.join('.') || 'body');
  return new PayflowError('VALIDATION', `${field}: ${issue?.message ?? 'not valid'}`, {
    cause: error,
    details: { field },
  });
}

/** `Problem` of problem.ts: what every route answers when it refuses or fails (RFC 9457). */
const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int().describe('400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500 or 503'),
  detail: z.string(),
  code: z.string().describe('the same in API, socket, CLI and log'),
  remedy: z.string().describe('what to do'),
  field: z.string().optional().describe('the wrong field, with 422'),
});

const PROBLEM = {
  description: 'Problem details. 429 and 503 come with Retry-After.',
  content: { 'application/problem+json': { schema: plainSchema(problemSchema, 'output') } },
};

function plainSchema(type: z.ZodType, io: 'input' | 'output') {
  const { $schema: _, ...json } = z.toJSONSchema(type, { io, unrepresentable: 'any' });
  return json;
}

/** For @fastify/swagger's `transform`: the zod schemas of a route as JSON Schema 2020-12 (OpenAPI 3.1). */
export function toJsonSchema(schema: FastifySchema | undefined): FastifySchema {
  const { body, querystring, params, response, ...rest } = (schema ?? {}) as RouteSchema;
  const answers = Object.entries(response ?? {}).map(([status, type]) => [
    status,
    plainSchema(type, 'output'),
  ]);
  return {
    ...rest,
    ...(body && { body: plainSchema(body, 'input') }),
    ...(querystring && { querystring: plainSchema(querystring, 'input') }),
    ...(params && { params: plainSchema(params, 'input') }),
    response: { ...(Object.fromEntries(answers) as Record<string, unknown>), default: PROBLEM },
  };
}
