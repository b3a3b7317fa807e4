/**
 * Words by what they ask of a reader. A phrase is in each group of which it has a word; the seed's data set RefCOCO+
 * forbids words of place, so `place` is nearly empty there.
 */
export const wordGroups: Readonly<Record<string, readonly string[]>> = {
  place: words(
    'left right top bottom middle center centre upper lower corner side edge far leftmost rightmost',
  ),
  relation: [
    ...words('behind near beside between above below under over against around closest nearest facing'),
    ...words('inside outside beneath underneath beyond opposite holding wearing'),
    ...['next to', 'in front of', 'close to', 'on top of', 'left of', 'right of', 'by the', 'with the'],
  ],
  comparison: [
    ...words(
      'big bigger biggest large larger largest small smaller smallest little tall taller tallest short shorter',
    ),
    ...words(
      'shortest long longer longest wide wider widest old older oldest young younger youngest dark darker',
    ),
    ...words(
      'darkest light lighter lightest closer farther farthest furthest highest lowest fat skinny most least',
    ),
  ],
  order: words('first second third fourth fifth last 1st 2nd 3rd 4th 5th two three four five'),
  colour: [
    ...words(
      'red orange yellow green blue purple violet pink brown black white grey gray beige tan gold silver',
    ),
    ...words('maroon navy teal turquoise cyan magenta'),
  ],
  negation: ["n't", ...words('not no without except nobody none')],
}

/** The groups of which a phrase has a word; `none of these` where there is none. */
export function groupsOf(text: string): readonly string[] {
  const phrase = ` ${tokens(text).join(' ')} `
  const found = Object.entries(wordGroups).filter(([, terms]) =>
    terms.some((term) => phrase.includes(` ${term} `)),
  )
  return found.length === 0 ? ['none of these'] : found.map(([group]) => group)
}

/** Words between blanks, whatever they are made of: the length of a phrase. */
export function wordCount(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length
}

/** Lower-cased words without punctuation; "isn't" becomes "is" and "n't". */
function tokens(text: string): readonly string[] {
  return (
    text
      .toLowerCase()
      .replaceAll(/n['’]t\b/g, " n't")
      .match(/n't|[\p{L}\p{N}]+/gu) ?? []
  )
}

function words(list: string): string[] {
  return list.split(' ')
}
