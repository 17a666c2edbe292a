import type { Context } from 'hono';
import type { z } from 'zod';

export type ControlInput<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly response: Response };

/** Reads a JSON body by its schema; anything wrong is a 400 that names each field. */
export async function readControlBody<T>(c: Context, schema: z.ZodType<T>): Promise<ControlInput<T>> {
  let body: unknown;
  try {
    const text = await c.req.text();
    body = text === '' ? {} : JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return {
      ok: false,
      response: c.json({ error: 'invalid', errors: [{ field: '', message: 'not JSON' }] }, 400),
    };
  }
  const parsed = schema.safeParse(body);
  if (parsed.success) return { ok: true, value: parsed.data };
  const errors = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ field: [...issue.path, key].join('.'), message: 'unknown field' }))
      : [{ field: issue.path.join('.'), message: issue.message }],
  );
  return { ok: false, response: c.json({ error: 'invalid', errors }, 400) };
}

export const controlNotFound = (c: Context, what: string): Response =>
  c.json({ error: 'not-found', what }, 404);
