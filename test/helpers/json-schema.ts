/** The part of JSON Schema (draft 2020-12) that our schemas use. */
export type JsonSchema = {
  readonly $schema?: string
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean
  readonly items?: JsonSchema
  readonly minItems?: number
  readonly maxItems?: number
  readonly minLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly JsonSchema[]
}

const understood: ReadonlySet<string> = new Set([
  ...['$schema', 'title', 'type', 'description', 'default', 'properties', 'required', 'additionalProperties'],
  ...[
    'items',
    'minItems',
    'maxItems',
    'minLength',
    'minimum',
    'maximum',
    'exclusiveMinimum',
    'exclusiveMaximum',
  ],
  ...['enum', 'anyOf'],
])

/** Judges a value as any JSON Schema tool would; a keyword that it does not know is an error, not a pass. */
export function accepts(schema: JsonSchema, value: unknown): boolean {
  const unknown = Object.keys(schema).find((keyword) => !understood.has(keyword))
  if (unknown !== undefined) throw new Error(`The test's validator does not know ${unknown}`)
  if (schema.anyOf !== undefined) return schema.anyOf.some((option) => accepts(option, value))
  if (schema.enum !== undefined && !schema.enum.includes(value)) return false
  if (schema.type !== undefined && !hasType(schema.type, value)) return false
  if (typeof value === 'number') return numberFits(schema, value)
  if (typeof value === 'string') return value.length >= (schema.minLength ?? 0)
  if (Array.isArray(value)) return arrayFits(schema, value)
  return typeof value !== 'object' || value === null || objectFits(schema, value)
}

function hasType(type: string, value: unknown): boolean {
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'array') return Array.isArray(value)
  if (type === 'null') return value === null
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  return typeof value === type
}

function numberFits(schema: JsonSchema, value: number): boolean {
  const {minimum = -Infinity, maximum = Infinity} = schema
  const {exclusiveMinimum = -Infinity, exclusiveMaximum = Infinity} = schema
  return value >= minimum && value <= maximum && value > exclusiveMinimum && value < exclusiveMaximum
}

function arrayFits(
  {items = {}, minItems = 0, maxItems = Infinity}: JsonSchema,
  value: readonly unknown[],
): boolean {
  return value.length >= minItems && value.length <= maxItems && value.every((item) => accepts(items, item))
}

function objectFits(
  {properties = {}, required = [], additionalProperties}: JsonSchema,
  value: object,
): boolean {
  if (required.some((key) => !Object.hasOwn(value, key))) return false
  return Object.entries(value).every(([key, item]: [string, unknown]) => {
    const property = properties[key]
    return property === undefined ? additionalProperties !== false : accepts(property, item)
  })
}
