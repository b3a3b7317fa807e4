import {existsSync, statSync} from 'node:fs'
import {basename, join} from 'node:path'

import {FileSource} from '../formats/byte-source.js'
import {sniff} from '../formats/sniff.js'
import {readStoredZip} from '../formats/zip.js'
import {isJson} from '../checkpoint/checkpoint-file.js'

/** Kinds of files that can be checked. */
export const verifyKinds = [
  'pdparams',
  'safetensors',
  'torch',
  'metadata',
  'refs',
  'instances',
  'lmdb',
  'config',
  'archive',
] as const

/** A kind of file that can be verified. */
export type VerifyKind = (typeof verifyKinds)[number]

const kindOfEnding: Readonly<Record<string, VerifyKind>> = {
  pdparams: 'pdparams',
  pdopt: 'pdparams',
  pdtensor: 'pdparams',
  safetensors: 'safetensors',
  bin: 'torch',
  pt: 'torch',
  pth: 'torch',
  p: 'refs',
  pkl: 'refs',
  mdb: 'lmdb',
  yml: 'config',
  yaml: 'config',
  zip: 'archive',
  tar: 'archive',
  tgz: 'archive',
  gz: 'archive',
  txz: 'archive',
  xz: 'archive',
}

/**
 * Tells what a path is to be checked as, by its name and, where that leaves a doubt, its first bytes; undefined for
 * what the program does not read.
 */
export function kindOfPath(path: string): VerifyKind | undefined {
  if (isLmdbFolder(path)) return 'lmdb'
  const [, ending = ''] = /\.([A-Za-z]{1,12})$/.exec(basename(path)) ?? []
  const kind = kindOfEnding[ending.toLowerCase()]
  const isDoubtful = kind === undefined || kind === 'torch' || kind === 'safetensors'
  return isDoubtful ? (byContent(path) ?? kind) : kind
}

/** The same for a path that the user names: any JSON is then something that was meant to be read. */
export function kindOfNamedPath(path: string): VerifyKind | undefined {
  const kind = kindOfPath(path)
  if (kind !== undefined || !/\.json$/i.test(path)) return kind
  const [, hint] = /^(inst|meta)/.exec(basename(path)) ?? []
  return hint === 'inst' ? 'instances' : hint === 'meta' ? 'metadata' : 'config'
}

/** Whether a folder is an LMDB. */
export function isLmdbFolder(path: string): boolean {
  return existsSync(join(path, 'data.mdb')) && statSync(path).isDirectory()
}

const jsonHeadBytes = 1 << 16

function byContent(path: string): VerifyKind | undefined {
  try {
    using source = new FileSource(path)
    if (isJson(source))
      return kindOfJson(source.read(0, Math.min(jsonHeadBytes, source.sizeBytes)).toString('latin1'))
    switch (sniff(source)) {
      case 'pickle':
      case 'dense-tensor':
        return 'pdparams'
      case 'safetensors':
        return 'safetensors'
      case 'torch-zip':
        return readStoredZip(source).some(({name}) => /^[^/]+\/data\.pkl$/.test(name)) ? 'torch' : undefined
      case 'torch-legacy':
        return 'torch'
      default:
        return undefined
    }
  } catch {
    return undefined
  }
}

// The first keys of a JSON file say what it is.
function kindOfJson(head: string): VerifyKind | undefined {
  const [, form] = /"(?:schema|format)"\s*:\s*"vilbert-ts[./]([a-z]+)[@/]/.exec(head) ?? []
  if (form !== undefined) return form === 'checkpoint' ? 'metadata' : undefined
  if (/^\s*\{\s*"(?:images|annotations|categories|info|licenses)"\s*:/.test(head)) return 'instances'
  return /"(?:hidden_size|v_hidden_size|dataRoot|batchSize|outputDir)"\s*:/.test(head) ? 'config' : undefined
}
