import {readdirSync, readFileSync} from 'node:fs'
import {extname, join} from 'node:path'
import {packageRoot} from '../paths.js'

export type PageFile = {readonly bytes: Uint8Array<ArrayBuffer>; readonly type: string}

/** Where the page's own files lie: what is written by hand, and what is compiled. */
const folders = [join(packageRoot, 'src', 'serve', 'page'), join(packageRoot, 'dist', 'src', 'serve', 'page')]

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** The files of the page by name, read once: no name that a client sends is ever looked for on the disk. */
export function readPageFiles(): ReadonlyMap<string, PageFile> {
  const found = folders.flatMap((folder) =>
    readdirSync(folder).flatMap((name): [string, PageFile][] => {
      const type = types[extname(name)]
      if (type === undefined) return []
      return [[name, {bytes: new Uint8Array(readFileSync(join(folder, name))), type}]]
    }),
  )
  return new Map(found)
}
