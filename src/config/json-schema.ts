import {z} from 'zod'
import {dataConfigSchema} from './data.js'
import {configFileSchema} from './file.js'
import {modelConfigSchema} from './model.js'
import {trainingConfigSchema} from './training.js'

const schemas = {
  file: configFileSchema,
  model: modelConfigSchema,
  data: dataConfigSchema,
  training: trainingConfigSchema,
} as const

/** A configuration that has a JSON Schema: a whole file or one of its sections. */
export type SchemaName = keyof typeof schemas

export const schemaNames = Object.keys(schemas) as SchemaName[]

/** The JSON Schema (draft 2020-12) of what may be written, with defaults and descriptions. */
export function jsonSchema(name: SchemaName): Record<string, unknown> {
  const {$schema, ...rest} = z.toJSONSchema(schemas[name], {io: 'input'})
  return {$schema, title: `vilbert-ts ${name} configuration`, ...rest}
}
