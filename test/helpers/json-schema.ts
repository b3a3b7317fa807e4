import {Ajv2020} from 'ajv/dist/2020.js'

/** The part of JSON Schema (draft 2020-12) that our schemas use. */
export type JsonSchema = {
  readonly $schema?: string
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | JsonSchema
  readonly items?: JsonSchema
  readonly prefixItems?: readonly JsonSchema[]
  readonly anyOf?: readonly JsonSchema[]
}

/** Strict about schemas: a keyword that means nothing is an error. */
const ajv = new Ajv2020({strict: true, allowUnionTypes: true, allErrors: true})

/** Whether a value fits a schema. */
export function accepts(schema: JsonSchema, value: unknown): boolean {
  return misfits(schema, value).length === 0
}

/** Where a value does not fit a schema, and why. */
export function misfits(schema: JsonSchema, value: unknown): string[] {
  const validate = ajv.compile(schema)
  if (validate(value)) return []
  return (validate.errors ?? []).map(
    ({instancePath, message = '', params}) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  )
}

/** The same schema without room for anything that it does not name, so that nothing is printed that it leaves out. */
export function closed(schema: JsonSchema): JsonSchema {
  const {properties, additionalProperties, items, prefixItems, anyOf} = schema
  const named = Object.entries(properties ?? {}).map(([name, property]) => [name, closed(property)] as const)
  const others =
    typeof additionalProperties === 'object' ? closed(additionalProperties) : additionalProperties
  return {
    ...schema,
    ...(properties !== undefined && {properties: Object.fromEntries(named)}),
    ...(schema.type === 'object' && {additionalProperties: others ?? false}),
    ...(items !== undefined && {items: closed(items)}),
    ...(prefixItems !== undefined && {prefixItems: prefixItems.map(closed)}),
    ...(anyOf !== undefined && {anyOf: anyOf.map(closed)}),
  }
}
