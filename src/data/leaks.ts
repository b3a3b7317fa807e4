import type {ExpressionRef} from './expressions.js'

/** What two splits have in common though a model is trained on one and measured on the other. */
export type Leak = {
  readonly splits: readonly [string, string]
  /** Images of both, and the first of them by id. */
  readonly images: number
  readonly imageIds: readonly number[]
  /** Sentences that both say of the same image, written alike but for case and space, and the first of them. */
  readonly sentences: number
  readonly examples: readonly {readonly imageId: number; readonly text: string}[]
}

const shownOfEach = 10

/** The pairs of splits that share images, in the order of the splits. Sharing images is usual in refcocog (google). */
export function findLeaks(splits: readonly string[], refs: readonly ExpressionRef[]): Leak[] {
  const contents = splits.map((split) => ({split, said: sentencesByImage(refs, split)}))
  return contents.flatMap((a, index) =>
    contents.slice(index + 1).flatMap((b) => {
      const imageIds = [...a.said.keys()].filter((id) => b.said.has(id)).sort((x, y) => x - y)
      if (imageIds.length === 0) return []
      const examples = imageIds.flatMap((imageId) => {
        const other = b.said.get(imageId)
        const shared = [...(a.said.get(imageId) ?? [])].filter((text) => other?.has(text))
        return shared.map((text) => ({imageId, text}))
      })
      const leak: Leak = {
        splits: [a.split, b.split],
        images: imageIds.length,
        imageIds: imageIds.slice(0, shownOfEach),
        sentences: examples.length,
        examples: examples.slice(0, shownOfEach),
      }
      return [leak]
    }),
  )
}

function sentencesByImage(refs: readonly ExpressionRef[], split: string): Map<number, Set<string>> {
  const said = new Map<number, Set<string>>()
  for (const ref of refs) {
    if (ref.split !== split) continue
    const texts = said.get(ref.imageId) ?? new Set()
    said.set(ref.imageId, texts)
    for (const {text} of ref.sentences) texts.add(wordsOf(text).join(' '))
  }
  return said
}

/** The words of a sentence: what is between spaces, in lower case. */
export function wordsOf(text: string): string[] {
  return text
    .toLowerCase()
    .split(/\s+/u)
    .filter((word) => word !== '')
}
