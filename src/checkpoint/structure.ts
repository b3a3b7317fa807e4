import {z} from 'zod'

import {broken} from '../formats/byte-source.js'
import type {ByteSource} from '../formats/byte-source.js'
import type {ModelFile} from '../formats/pdparams.js'
import type {Scalar} from '../formats/tensor-collector.js'

const path = z.array(z.string()).max(16)
const scalar = z.union([
  z.null(),
  z.boolean(),
  z.number(),
  z.string(),
  z.strictObject({integer: z.string().regex(/^-?\d{1,400}$/)}),
  z.strictObject({float: z.enum(['nan', 'inf', '-inf', '-0']).describe('What JSON has no number for.')}),
])

/** What a Paddle file holds besides its tensors, so that a conversion there and back loses nothing. */
export const structureSchema = z.strictObject({
  nameTable: z
    .union([z.literal('identity'), z.array(z.tuple([z.string(), z.string()]))])
    .optional()
    .describe("Paddle's StructuredToParameterName@@; absent where the file has none."),
  paths: z
    .array(z.strictObject({name: z.string(), path}))
    .optional()
    .describe('The keys that lead to a tensor, where they are not its name alone.'),
  scalars: z
    .array(z.strictObject({path, value: scalar}))
    .optional()
    .describe('Numbers and texts that are no tensors.'),
  containers: z
    .array(z.strictObject({path, kind: z.enum(['list', 'tuple', 'dict'])}))
    .optional()
    .describe('Lists, tuples and empty dicts.'),
  complex128: z
    .array(z.string())
    .optional()
    .describe('Tensors that a safetensors payload holds as pairs of F64, because it has no C128.'),
})

export type Structure = z.output<typeof structureSchema>
type ScalarJson = z.output<typeof scalar>

/** The key of a safetensors file's metadata under which the structure is kept. */
export const structureKey = 'vilbert-ts.structure'

/** What is left of a file when its tensors are taken away. */
export function structureOf(model: ModelFile): Structure {
  const paths = model.tensors
    .filter(({name, path: keys}) => keys.length !== 1 || keys[0] !== name)
    .map(({name, path: keys}) => ({name: name === '' ? namelessTensor : name, path: [...keys]}))
  const scalars = [...model.scalars].map(([name, value]) => ({
    path: [...(model.scalarPaths.get(name) ?? [name])],
    value: scalarToJson(value),
  }))
  const containers = model.containers.map(({path: keys, kind}) => ({path: [...keys], kind}))
  const {nameTable} = model
  return {
    ...(nameTable === undefined ? {} : {nameTable: tableToJson(nameTable)}),
    ...(paths.length === 0 ? {} : {paths}),
    ...(scalars.length === 0 ? {} : {scalars}),
    ...(containers.length === 0 ? {} : {containers}),
  }
}

/** The name of a tensor that is alone in its file and has none. */
export const namelessTensor = 'tensor'

/** The structure in a safetensors file's metadata; damaged text there is an error and not ignored. */
export function structureInMetadata(
  source: ByteSource,
  metadata: ReadonlyMap<string, string>,
): Structure | undefined {
  const text = metadata.get(structureKey)
  if (text === undefined) return undefined
  const parsed = structureSchema.safeParse(parseOrUndefined(text))
  if (parsed.success) return parsed.data
  throw broken(source, 'E_ST_META', `"${structureKey}" in __metadata__ is damaged`)
}

/** A scalar as the files of Paddle have it. */
export function scalarFromJson(value: ScalarJson): Scalar {
  if (typeof value !== 'object' || value === null) return value
  if ('integer' in value) return BigInt(value.integer)
  return {nan: NaN, inf: Infinity, '-inf': -Infinity, '-0': -0}[value.float]
}

function scalarToJson(value: Scalar): ScalarJson {
  if (typeof value === 'bigint') return {integer: value.toString()}
  if (Object.is(value, -0)) return {float: '-0'}
  if (typeof value !== 'number' || Number.isFinite(value)) return value
  return {float: Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf'}
}

// In most files the table maps each name to itself, which one word says as well.
function tableToJson(table: ReadonlyMap<string, string>): Structure['nameTable'] {
  const pairs = [...table]
  return pairs.every(([structured, parameter]) => structured === parameter) ? 'identity' : pairs
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
