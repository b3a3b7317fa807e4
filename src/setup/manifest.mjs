import {existsSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import path from 'node:path'

/**
 * Whether the list of commands is there.
 *
 * @param {string} root
 */
export function hasManifest(root) {
  return existsSync(manifestFile(root))
}

/**
 * Writes down commands and flags for oclif, which would otherwise load every command to show the help of one. It is
 * made by each build and by nothing else, so that it cannot be older than the commands.
 *
 * @param {string} root
 */
export async function writeManifest(root) {
  // The npm packages may not have been installed yet when this module is loaded.
  const {Plugin, settings} = await import('@oclif/core')
  settings.enableAutoTranspile = false
  const plugin = new Plugin({root, type: 'core', ignoreManifest: true, errorOnManifestCreate: true})
  await plugin.load()
  const unfinished = `${manifestFile(root)}.${process.pid}`
  writeFileSync(unfinished, `${JSON.stringify(plugin.manifest)}\n`)
  renameSync(unfinished, manifestFile(root))
}

/**
 * Without the list oclif looks at the commands themselves: that is slow, but never wrong.
 *
 * @param {string} root
 */
export function removeManifest(root) {
  rmSync(manifestFile(root), {force: true})
}

/** @param {string} root */
function manifestFile(root) {
  return path.join(root, 'oclif.manifest.json')
}
