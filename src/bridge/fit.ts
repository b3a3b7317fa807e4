import type {ZodType} from 'zod'
import {printable} from '../errors.js'
import {BridgeMessageError} from './errors.js'

/**
 * Replies are checked where they enter: behind this, types are true.
 * @throws BridgeMessageError
 */
export function fit<T>(schema: ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const place = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`
  const problem = printable(issue?.message ?? 'it has another form', 300)
  throw new BridgeMessageError(`${what} does not fit${place}: ${problem}.`, {cause: parsed.error})
}
