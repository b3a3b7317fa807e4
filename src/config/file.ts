import {z} from 'zod'
import {sourceSchema} from '../data/download/sources.js'
import {dataConfigSchema} from './data.js'
import {modelConfigSchema} from './model.js'
import {trainingConfigSchema} from './training.js'

const schemaLink = z.string().optional().describe('Link to the JSON Schema, for editors.')

const sources = z
  .array(sourceSchema)
  .max(1000)
  .describe('Files of your own that data list and data download know, in the form of data/sources.json.')

/** What the three sections become, with a model given by name already looked up. */
export const settingsSchema = z.strictObject({
  $schema: schemaLink,
  model: modelConfigSchema.optional(),
  data: dataConfigSchema.prefault({}),
  training: trainingConfigSchema.prefault({}),
  sources: sources.default([]),
})

/** A configuration file of our own, as it is written. */
export const configFileSchema = z
  .strictObject({
    $schema: schemaLink,
    model: z
      .union([z.string().min(1), modelConfigSchema])
      .optional()
      .describe('Name of a preset, path of a model file, or the model itself.'),
    data: dataConfigSchema.optional(),
    training: trainingConfigSchema.optional(),
    sources: sources.optional(),
  })
  .describe('A configuration file of vilbert-ts.')
