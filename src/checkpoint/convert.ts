import {createHash} from 'node:crypto'
import {existsSync} from 'node:fs'
import {readdir, rm, stat} from 'node:fs/promises'
import {basename, dirname, extname, join, resolve} from 'node:path'

import {parseModelConfig} from '../config/load.js'
import type {ModelConfig} from '../config/model.js'
import {CheckpointError, printable, VilbertError} from '../errors.js'
import {openAtomic, removeLeftovers, writeFileAtomic} from '../files.js'
import {rawOffset} from '../formats/stored-tensor.js'
import {tensorBytes} from '../formats/dtypes.js'
import {packageVersion} from '../package-version.js'
import {openCheckpoint} from './checkpoint-file.js'
import {hashInBackground} from './background-hash.js'
import type {CheckpointFile} from './checkpoint-file.js'
import type {FloatDtype} from './float-casts.js'
import {isPayloadName, metadataForm, metadataText} from './metadata.js'
import type {Conversion, Metadata, TensorRecord} from './metadata.js'
import {pdparamsSegments} from './pdparams-segments.js'
import {planConversion} from './plan-conversion.js'
import type {ConversionPlan} from './plan-conversion.js'
import {contentSample} from './sample.js'
import {safetensorsSegments, segmentBytes} from './segments.js'
import {checkpointConfig, describes, sidecarTarget} from './sidecar.js'
import {writeSegments} from './write-segments.js'
import type {WrittenPayload} from './write-segments.js'

/** Types that `--dtype` names. */
export const convertDtypes = ['float32', 'float16', 'bfloat16'] as const
/** A type that numbers can be stored as. */
export type ConvertDtype = (typeof convertDtypes)[number]

/** What {@link convertCheckpoint} reads, and what it makes of it. */
export type ConvertOptions = {
  /** A .pdparams, .safetensors, PyTorch .bin or the JSON of a checkpoint; its content tells, not its name. */
  readonly input: string
  /** By its ending: .pdparams, .safetensors, or .json with a .safetensors beside it. */
  readonly output: string
  /** Type for floating-point numbers. @default as they are */
  readonly dtype?: ConvertDtype | undefined
  /** Keeps only what referring expressions need. @default false */
  readonly recOnly?: boolean | undefined
  /** With a .json output: points into the input and copies nothing. @default false */
  readonly inPlace?: boolean | undefined
  /** The model. @default what the JSON of the input says */
  readonly config?: ModelConfig | undefined
  /** Writes the SHA-256 of the whole input into the metadata. @default where that costs little: up to 256 MiB */
  readonly hashSource?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Told how many bytes are written, of all. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined
}

/** What a conversion wrote, and what it did to names, shapes and tensors on the way. */
export type ConvertResult = {
  readonly input: string
  /** The file that was asked for. */
  readonly output: string
  /** The file with the numbers, and the JSON that describes it. */
  readonly payload: string
  readonly metadata: string
  readonly tensors: number
  readonly sizeBytes: number
  readonly renamed: number
  readonly transposed: number
  readonly dropped: readonly string[]
  readonly missing: readonly string[]
}

/**
 * Converts a checkpoint: reads any form, writes Paddle's, safetensors or JSON metadata with safetensors, without
 * Python. The output appears when it is whole; a killed conversion leaves the old file.
 * @throws FormatError, CheckpointError, ConfigError
 */
export async function convertCheckpoint(options: ConvertOptions): Promise<ConvertResult> {
  const {input: inputPath, output} = options
  const form = formOf(output)
  await removeLeftovers(dirname(output))
  using input = openCheckpoint(inputPath)
  await refuseSameFile(input, output)
  if (form === '.json' && existsSync(output) && !describes(output)) throw foreignJson(output)
  const config = options.config ?? ownConfig(inputPath)
  const dtype = options.dtype === undefined ? undefined : dtypeCodes[options.dtype]
  const plan = planConversion(input, {dtype, recOnly: options.recOnly ?? false, config})
  const {name, sizeBytes} = input.source
  const isHashed = options.hashSource ?? sizeBytes <= hashedByDefaultBytes
  await using hash = isHashed ? hashInBackground(name, sizeBytes) : undefined
  const describe = async (file: string, written: WrittenPayload): Promise<Metadata> => {
    const sha256 = (await hash?.sha256) ?? null
    const from = {file: portableName(name), sizeBytes, sampleSha256: contentSample(input.source), sha256}
    return description({input, plan, options, config, from, file, written})
  }
  try {
    const work = {options, input, plan, describe}
    const done = options.inPlace === true ? await pointInto(work) : await writeCopy(work, form)
    const {renamed, transposed, dropped, missing, outputs} = plan
    return {input: inputPath, output, ...done, tensors: outputs.length, renamed, transposed, dropped, missing}
  } catch (error) {
    throw error instanceof VilbertError ? error : cannotWrite(output, error)
  }
}

/** Hashing a larger file takes longer than copying it. */
const hashedByDefaultBytes = 256 << 20

type Work = {
  readonly options: ConvertOptions
  readonly input: CheckpointFile
  readonly plan: ConversionPlan
  readonly describe: (file: string, written: WrittenPayload) => Promise<Metadata>
}

type Done = {readonly payload: string; readonly metadata: string; readonly sizeBytes: number}
type Form = '.pdparams' | '.safetensors' | '.json'

const dtypeCodes: Readonly<Record<ConvertDtype, Exclude<FloatDtype, 'F64'>>> = {
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
}

function formOf(output: string): Form {
  const ending = extname(output).toLowerCase()
  if (ending === '.pdparams' || ending === '.pdopt' || ending === '.pdtensor') return '.pdparams'
  if (ending === '.safetensors' || ending === '.json') return ending
  throw new CheckpointError(`${printable(output, 300)} has an ending that no conversion writes.`, {
    code: 'E_FORMAT',
    next: 'Let it end in .pdparams, .safetensors or .json.',
  })
}

async function refuseSameFile(input: CheckpointFile, output: string): Promise<void> {
  const target = await stat(output).catch(() => undefined)
  for (const path of [input.path, input.source.name]) {
    const {dev, ino} = await stat(path)
    if (target?.ino !== ino || target.dev !== dev) continue
    throw new CheckpointError(`${printable(output, 300)} is the file that is to be converted.`, {
      code: 'E_SAME_FILE',
      next: 'Choose another name for the output.',
    })
  }
}

function ownConfig(input: string): ModelConfig | undefined {
  const own = checkpointConfig(input)
  return own === undefined ? undefined : parseModelConfig(own, `the JSON of ${input}`)
}

/** Writes the numbers anew; the JSON follows at once, so that hardly anything can come between the two. */
async function writeCopy({options, plan, describe}: Work, form: Form): Promise<Done> {
  const {output, signal, onProgress} = options
  const payload = form === '.json' ? freePayload(output) : output
  if (!isPayloadName(basename(payload))) throw unusableName(payload)
  const {outputs, structure} = plan
  const segments =
    form === '.pdparams' ? pdparamsSegments(outputs, structure) : safetensorsSegments(outputs, structure)
  const totalBytes = segments.reduce((sum, segment) => sum + segmentBytes(segment), 0)
  let doneBytes = 0
  const onBytes = (bytes: number): void => onProgress?.((doneBytes += bytes), totalBytes)
  await using file = await openAtomic(payload)
  const written = await writeSegments(file, segments, {signal, onBytes})
  const metadata = metadataText(await describe(basename(payload), written))
  const metadataPath = form === '.json' ? output : sidecarTarget(output)
  await using json = await openAtomic(metadataPath)
  await json.handle.writeFile(metadata)
  await file.commit()
  await json.commit()
  if (form === '.json') await removeFormerPayloads(output, basename(payload))
  return {payload, metadata: metadataPath, sizeBytes: written.sizeBytes}
}

/** Writes nothing but the JSON, which points to where the numbers are. */
async function pointInto({options, input, plan, describe}: Work): Promise<Done> {
  const {output} = options
  const payload = input.source.name
  if (formOf(output) !== '.json' || resolve(dirname(output)) !== resolve(dirname(payload))) {
    throw notInPlace(output, 'only a .json in the folder of the input can point into it')
  }
  if (!isPayloadName(basename(payload))) throw unusableName(payload)
  const places = new Map(input.tensors.map((tensor) => [tensor.name, rawOffset(tensor)]))
  const moved = input.tensors.filter((tensor) => places.get(tensor.name) === undefined)
  const isChanged = options.dtype !== undefined || plan.renamed > 0 || plan.transposed > 0
  if (isChanged || moved.length > 0) {
    const which = moved[0] === undefined ? '' : `, such as "${printable(moved[0].name)}"`
    throw notInPlace(output, `some numbers do not lie in the input as they are wanted${which}`)
  }
  const tensors = plan.outputs.map((tensor): TensorRecord => {
    const {name, dtype, shape} = tensor
    const hash = createHash('sha256')
    for (const piece of tensor.pieces()) hash.update(piece)
    const nbytes = tensorBytes(dtype, shape)
    return {name, dtype, shape: [...shape], offset: places.get(name) ?? 0, nbytes, sha256: hash.digest('hex')}
  })
  const {sizeBytes} = input.source
  const written = {sizeBytes, sampleSha256: contentSample(input.source), tensors}
  await writeFileAtomic(output, metadataText(await describe(basename(payload), written)))
  return {payload, metadata: output, sizeBytes}
}

// Until the new JSON is there the old one must keep its payload, so a name that is taken is not used again.
function freePayload(output: string): string {
  const stem = output.slice(0, -extname(output).length)
  const plain = `${stem}.safetensors`
  if (!existsSync(plain)) return plain
  const unique = Date.now().toString(16).slice(-6) + process.pid.toString(16).padStart(6, '0').slice(-6)
  return `${stem}-${unique}.safetensors`
}

// What conversions to the same JSON wrote before, the remains of killed ones included.
async function removeFormerPayloads(output: string, payload: string): Promise<void> {
  const folder = dirname(output)
  const stem = basename(output, extname(output))
  const names = await readdir(folder)
  const isFormer = (name: string): boolean =>
    name !== payload &&
    name.startsWith(`${stem}-`) &&
    /^-[0-9a-f]{12}\.safetensors$/.test(name.slice(stem.length))
  const former = names.filter(isFormer)
  await Promise.all(former.map(async (name) => rm(join(folder, name), {force: true})))
}

type DescriptionParts = {
  readonly input: CheckpointFile
  readonly plan: ConversionPlan
  readonly options: ConvertOptions
  readonly config: ModelConfig | undefined
  readonly from: Conversion['from']
  readonly file: string
  readonly written: WrittenPayload
}

function description({input, plan, options, config, from, file, written}: DescriptionParts): Metadata {
  const version = packageVersion()
  const before = input.metadata
  const conversion: Conversion = {
    action: 'convert',
    at: new Date().toISOString(),
    version,
    from,
    dtype: options.dtype ?? null,
    recOnly: options.recOnly ?? false,
    renamed: plan.renamed,
    transposed: plan.transposed,
    dropped: [...plan.dropped],
    check: null,
  }
  return {
    schema: metadataForm,
    file,
    sizeBytes: written.sizeBytes,
    sampleSha256: written.sampleSha256,
    producer: {name: 'vilbert-ts', version},
    config: config ?? before?.config ?? null,
    training: before?.training ?? null,
    metrics: before?.metrics ?? null,
    source: from,
    history: [...(before?.history ?? []), conversion],
    structure: plan.structure,
    tensors: [...written.tensors],
  }
}

// The record of a name must be readable everywhere, whatever the file was called.
function portableName(path: string): string {
  const name = basename(path)
  if (isPayloadName(name)) return name
  const portable = name.replace(/[^\p{L}\p{N}_.-]/gu, '_').replace(/\.{2,}/g, '.')
  return isPayloadName(`_${portable}`) ? `_${portable}` : 'unnamed'
}

function unusableName(path: string): CheckpointError {
  return new CheckpointError(`A description cannot point to a file named "${printable(basename(path))}".`, {
    code: 'E_META_PATH',
    next: 'Use a name that begins with a letter or digit and has no special characters.',
  })
}

function foreignJson(output: string): CheckpointError {
  return new CheckpointError(`${printable(output, 300)} is there and does not describe a checkpoint.`, {
    code: 'E_EXISTS',
    next: 'Choose another name, or remove the file.',
  })
}

function notInPlace(output: string, why: string): CheckpointError {
  return new CheckpointError(`${printable(output, 300)} cannot point into the input: ${why}.`, {
    code: 'E_IN_PLACE',
    next: 'Convert without --in-place.',
  })
}

function cannotWrite(output: string, cause: unknown): CheckpointError {
  const reason = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
  return new CheckpointError(`${printable(output, 300)} cannot be written${reason}.`, {
    code: 'E_WRITE',
    next: 'Make room, or choose a folder that is there and can be written.',
    cause,
  })
}
