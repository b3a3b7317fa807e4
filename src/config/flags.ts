import {Errors, Flags, type Interfaces} from '@oclif/core'
import {z} from 'zod'
import {kebabCase, type KebabCase} from './kebab-case.js'
import {finding, valueAtPath} from './problems.js'
import {parseValue} from './source.js'

/** Other spellings that people bring along from other tools. */
const aliases: Readonly<Record<string, readonly string[]>> = {
  epochs: ['num-train-epochs'],
  batchSize: ['batch'],
  lr: ['learning-rate'],
  gradAccumulation: ['grad-accum', 'gradient-accumulation-steps'],
  fromPretrained: ['from', 'weights'],
  outputDir: ['work-dir'],
  warmupFraction: ['warmup-ratio', 'warmup-proportion'],
  clip: ['clip-grad'],
  timeLimitMinutes: ['time-limit'],
}

/** What help shows for the value of a flag. */
const valueNames: Readonly<Record<string, string>> = {
  fromPretrained: 'FILE',
  outputDir: 'DIR',
  dataRoot: 'DIR',
  cacheDir: 'DIR',
  integer: 'N',
  number: 'X',
  array: 'N,N',
  freeze: 'PATTERN,PATTERN',
  devices: 'cpu|gpu:N,N',
}

/** The flag of each field: its name in kebab case, its value typed like the field. */
export type ConfigFlags<Shape extends z.ZodRawShape> = {
  [Key in keyof Shape & string as KebabCase<Key>]: z.output<Shape[Key]> extends boolean
    ? Interfaces.BooleanFlag<boolean | undefined>
    : Interfaces.OptionFlag<NonNullable<z.output<Shape[Key]>> | undefined>
}

/**
 * Makes oclif flags from the fields of a schema, so that names, defaults, bounds and descriptions are written once.
 * The flags have no default of their own: a flag that was not given leaves the file's value in place.
 */
export function configFlags<Shape extends z.ZodRawShape>(schema: z.ZodObject<Shape>): ConfigFlags<Shape> {
  const flags = Object.entries(schema.shape).map(([key, field]) => [
    kebabCase(key),
    flagOf(key, field as z.ZodType),
  ])
  // The keys are computed, which the type of Object.fromEntries cannot follow.
  return Object.fromEntries(flags) as ConfigFlags<Shape>
}

/** `--config` and `--set`, which go with the flags of the schemas. */
export const configSourceFlags = {
  config: Flags.string({
    char: 'c',
    helpValue: 'FILE',
    description:
      'Configuration: a model file, a file with sections model, data, training, or vlbert_tasks.yml.',
  }),
  set: Flags.string({
    aliases: ['cfg-options'],
    helpValue: 'KEY=VALUE',
    multiple: true,
    multipleNonGreedy: true,
    description: 'Change one value, such as training.lr=3e-5 (can be given again).',
  }),
}

type FieldSchema = {
  readonly type?: string
  readonly anyOf?: readonly FieldSchema[]
  readonly enum?: readonly string[]
  readonly default?: unknown
  readonly description?: string
}

/** A field's JSON Schema says in plain data what a flag needs to know. */
function flagOf(key: string, field: z.ZodType) {
  const outer = z.toJSONSchema(field, {io: 'input'}) as FieldSchema
  const inner = outer.anyOf?.find(({type}) => type !== 'null') ?? outer
  const nullable = outer.anyOf?.some(({type}) => type === 'null') === true
  const description = `${outer.description ?? ''}${defaultText(outer.default)}`
  const shared = {description, aliases: [...(aliases[key] ?? [])]}
  if (inner.type === 'boolean') return Flags.boolean({...shared, allowNo: true})
  return Flags.custom<unknown>({
    ...shared,
    ...(inner.enum === undefined
      ? {helpValue: valueNames[key] ?? valueNames[inner.type ?? ''] ?? 'VALUE'}
      : {options: inner.enum}),
    parse: (input) => Promise.resolve(parseFlag(key, field, readInput(input, inner, nullable))),
  })()
}

/** The default as one would type it; nothing where the description says what happens without the flag. */
function defaultText(value: unknown): string {
  if (value === undefined || value === null || typeof value === 'boolean') return ''
  return ` [default: ${JSON.stringify(value).replace(/[[\]"]/g, '')}]`
}

/** Text of a flag as the value it means: `none` for nothing, numbers as numbers, commas between list entries. */
function readInput(input: string, {type}: FieldSchema, nullable: boolean): unknown {
  if (input === 'none' && (nullable || type === 'array')) return type === 'array' ? [] : null
  if (type === 'string') return input
  const {value, problems} = parseValue(type === 'array' ? `[${input.replace(/^\[|\]$/g, '')}]` : input)
  return problems.length > 0 ? input : value
}

/** Checks one value with the field's own schema; a wrong one is a wrong command line. */
function parseFlag(key: string, field: z.ZodType, value: unknown): unknown {
  const parsed = field.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  if (issue === undefined) throw parsed.error
  const {path, predicate} = finding(issue, valueAtPath(value, issue.path))
  const entry = typeof path[0] === 'number' ? ` entry ${path[0] + 1}` : ''
  throw new Errors.CLIError(`--${kebabCase(key)}${entry} ${predicate}`, {exit: 2})
}
