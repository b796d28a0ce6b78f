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
    if (parsed.success) return { value: parsed.data };
    return { error: validationError(parsed.error) };
  });
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
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

/** For @fastify/swagger's `transform`: the zod schemas of a route as JSON Schema 2020-12 (OpenAPI 3.1). */
export function toJsonSchema(schema: FastifySchema | undefined): FastifySchema {
  const { body, querystring, params, response, ...rest } = (schema ?? {}) as RouteSchema;
  const plain = (type: z.ZodType, io: 'input' | 'output') => {
    const { $schema: _, ...json } = z.toJSONSchema(type, { io, unrepresentable: 'any' });
    return json;
  };
  const answers = Object.entries(response ?? {}).map(([status, type]) => [status, plain(type, 'output')]);
  return {
    ...rest,
    ...(body && { body: plain(body, 'input') }),
    ...(querystring && { querystring: plain(querystring, 'input') }),
    ...(params && { params: plain(params, 'input') }),
    ...(response && { response: Object.fromEntries(answers) as Record<string, unknown> }),
  };
}
