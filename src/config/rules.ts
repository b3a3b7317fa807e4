import type {z} from 'zod'

/** Reports a rule that does not hold: the key that breaks it and the rest of the sentence behind the key. */
export type ReportRule = (path: readonly string[], predicate: string) => void

/** A rule between fields. It sees the values before they are known to be valid, so it checks what it reads. */
export type Rule = (config: unknown, report: ReportRule) => void

/**
 * Adds rules between fields to a schema. They run even when single fields are wrong, because a user wants to see
 * everything that is wrong with a file at once.
 */
export function addRules<Schema extends z.ZodType>(schema: Schema, rules: readonly Rule[]): Schema {
  return schema.superRefine(
    (config, context) => {
      for (const rule of rules) {
        rule(config, (path, predicate) => {
          context.addIssue({code: 'custom', path: [...path], message: predicate})
        })
      }
    },
    {when: () => true},
  )
}

/** The value of a key, if the thing has it. */
export function valueAt(config: unknown, key: string): unknown {
  if (typeof config !== 'object' || config === null || !Object.hasOwn(config, key)) return undefined
  return (config as Readonly<Record<string, unknown>>)[key]
}

/** The value of a key if it is a whole number. */
export function integerAt(config: unknown, key: string): number | undefined {
  const value = valueAt(config, key)
  return Number.isSafeInteger(value) ? (value as number) : undefined
}

/** The value of a key if it is a number. */
export function numberAt(config: unknown, key: string): number | undefined {
  const value = valueAt(config, key)
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/** The value of a key if it is a list of whole numbers. */
export function integersAt(config: unknown, key: string): readonly number[] | undefined {
  const value = valueAt(config, key)
  if (!Array.isArray(value) || !value.every(Number.isSafeInteger)) return undefined
  return value as readonly number[]
}
