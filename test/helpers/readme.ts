import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {packageRoot} from '../../src/paths.js'

/** The text of a document of the project, by its path below the root. */
export function readDocument(file: string): Promise<string> {
  return readFile(join(packageRoot, file), 'utf8')
}

/** What stands in the code blocks of a document, in order; without a language, in all of them. */
export function codeBlocks(markdown: string, language?: string): readonly string[] {
  const blocks = [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
  return blocks
    .filter(([, written]) => language === undefined || written === language)
    .map(([, , text]) => text ?? '')
}

/** The part of a document below a heading, up to the next one of the same rank. */
export function section(markdown: string, heading: string): string {
  const start = markdown.indexOf(`\n## ${heading}\n`)
  if (start === -1) throw new Error(`there is no heading "## ${heading}"`)
  const end = markdown.indexOf('\n## ', start + 1)
  return markdown.slice(start, end === -1 ? undefined : end)
}

/** Commands of a shell block, each as its words; comments and the text of here-documents are left out. */
export function commandsOf(block: string): readonly (readonly string[])[] {
  return block
    .replaceAll(/<<'(\w+)'[^\n]*\n[\s\S]*?^\1$/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map(wordsOf)
    .filter((words) => words.length > 0)
}

function wordsOf(line: string): readonly string[] {
  const words = line.match(/"[^"]*"|'[^']*'|\S+/g) ?? []
  const comment = words.findIndex((word) => word.startsWith('#'))
  return (comment === -1 ? words : words.slice(0, comment)).map((word) =>
    word.replace(/^(["'])(.*)\1$/, '$2'),
  )
}
