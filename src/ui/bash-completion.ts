import {appendFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {Hook} from '@oclif/core'

/**
 * What the plug-in for completion does not do in bash: flags behind the arguments of a command, and names of files. For
 * a flag its function is asked with the words of the command alone, which are two or one.
 */
const wrapper = `
_vilbert_ts_completion() {
  local typed=("\${COMP_WORDS[@]}") at=$COMP_CWORD cur="\${COMP_WORDS[COMP_CWORD]}" last
  if [[ "$cur" != -* ]]; then
    _vilbert-ts_autocomplete "$@"
    return
  fi
  for last in 2 1; do
    [[ $last -lt $at && "\${typed[last]}" =~ ^[a-z]+$ ]] || continue
    local COMP_WORDS=("\${typed[@]:0:last+1}" "$cur") COMP_CWORD=$((last + 1))
    _vilbert-ts_autocomplete "$@"
    [[ \${#COMPREPLY[@]} -eq 0 ]] || return
  done
}
complete -o default -F _vilbert_ts_completion vilbert-ts
`

/** Runs after every command: where one has written what bash is to read, the rest is added to it. */
const finishBashCompletion: Hook<'postrun'> = async ({Command, config}) => {
  if (!['autocomplete', 'autocomplete:create'].includes(Command.id)) return
  await appendFile(join(config.cacheDir, 'autocomplete', 'bash_setup'), wrapper)
}

export default finishBashCompletion
