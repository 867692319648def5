import type { FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import { ParleyError, type FieldIssue } from '../../base/errors.ts';

type ZodIssue = z.core.$ZodIssue;

/** Most faults one answer lists. */
const maxIssues = 20;

/** Fastify names the parts of a request otherwise than error messages do. */
const partNames: Record<string, string> = { body: 'body', querystring: 'query', params: 'path', headers: 'header' };

/** Validates each part of a request with its zod schema; what is not valid becomes `validation_failed` with all faults. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => (data) => {
  const result = schema.safeParse(data);
  if (result.success) return { value: result.data };
  return { error: invalid(result.error.issues, partNames[httpPart ?? 'body'] ?? 'body') };
};

/**
 * Checks a value with a schema, for what does not pass through Fastify (frames of sockets).
 * @throws {ParleyError} `validation_failed`
 */
export function check<Schema extends z.ZodType>(schema: Schema, value: unknown, part: string): z.output<Schema> {
  const result = schema.safeParse(value);
  if (!result.success) throw invalid(result.error.issues, part);
  return result.data;
}

function invalid(issues: readonly ZodIssue[], part: string): ParleyError {
  const fields = issues.slice(0, maxIssues).map((issue) => fieldIssue(issue, part));
  const first = fields[0]!;
  return new ParleyError('validation_failed', {
    message: `${first.path.slice(1).join('.') || 'The request body'}: ${first.message}`,
    issues: fields,
    parameter: first.path.slice(1).join('.') || undefined,
  });
}

/** One fault in words and a stable kind. Never repeats the value: it may be a secret or very long. */
function fieldIssue(issue: ZodIssue, part: string): FieldIssue {
  const path = [part, ...issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key))];
  return { path, ...describe(issue) };
}

function describe(issue: ZodIssue): { message: string; kind: string } {
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.endsWith('received undefined')
        ? { message: 'field required', kind: 'missing' }
        : { message: `must be ${article(issue.expected)}`, kind: 'wrong_type' };
    case 'too_small':
      return { message: `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}${unit(issue.origin)}`, kind: 'too_small' };
    case 'too_big':
      return { message: `must be ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}${unit(issue.origin)}`, kind: 'too_big' };
    case 'invalid_value':
      return { message: `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map((value) => JSON.stringify(value)).join(', ')}`, kind: 'not_allowed' };
    case 'custom':
      return { message: issue.message, kind: typeof issue.params?.['kind'] === 'string' ? issue.params['kind'] : 'invalid' };
    case 'invalid_union':
      return { message: 'has none of the forms it may have', kind: 'wrong_type' };
    default:
      return { message: issue.message, kind: issue.code };
  }
}

function article(expected: string): string {
  const words: Record<string, string> = { int: 'a whole number', number: 'a number', string: 'a text', boolean: 'true or false', array: 'a list', object: 'an object', record: 'an object', null: 'null' };
  return words[expected] ?? `of type ${expected}`;
}

function unit(origin: string): string {
  if (origin === 'array' || origin === 'set') return ' items long';
  return origin === 'string' ? ' characters long' : '';
}
