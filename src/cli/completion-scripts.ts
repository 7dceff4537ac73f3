/**
 * What a shell needs so that it asks this program what may follow: as the program was called on that very command
 * line, wherever it is. The program's answer is a line for each word, `WORD<tab>ABOUT`, and a last one, `:files`,
 * `:directories` or `:none`, for what else may stand there.
 */

/** The word after the program that asks; its answer needs no `--`, and takes nothing for a flag of its own. */
export const ASK_COMPLETION = '__complete';

const BASH = `# Completes \`admin\` in bash: source <(admin completion bash)
_isla_admin() {
  local program=\${COMP_WORDS[0]} joins='' word line paths i
  local -a words=() lines=()
  COMPREPLY=()
  # bash takes --flag=value apart at the =.
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == '=' && \${#words[@]} -gt 0 ]]; then
      words[\${#words[@]}-1]+='='
      joins=yes
    elif [[ -n $joins ]]; then
      words[\${#words[@]}-1]+=$word
      joins=''
    else
      words+=("$word")
    fi
  done
  [[ $program == '~'* ]] && program=$HOME\${program#'~'}
  while IFS= read -r line; do lines+=("$line"); done < <("$program" ${ASK_COMPLETION} "\${words[@]}" 2>/dev/null)
  [[ \${#lines[@]} -gt 0 ]] || return 0
  paths=\${lines[\${#lines[@]}-1]}
  unset "lines[\${#lines[@]}-1]"
  word=\${words[\${#words[@]}-1]}
  [[ $word == -*=* ]] && word=\${word#*=}
  for line in "\${lines[@]}"; do
    line=\${line%%$'\\t'*}
    [[ \${words[\${#words[@]}-1]} == -*=* ]] && line=\${line#*=}
    COMPREPLY+=("$(printf '%q' "$line")")
  done
  case $paths in
    :files) compopt -o filenames && while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$word") ;;
    :directories) compopt -o filenames && while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "$word") ;;
  esac
}
complete -F _isla_admin admin
`;

const ZSH = `#compdef admin
# Completes \`admin\` in zsh: source <(admin completion zsh), after compinit; or a file _admin in a directory of fpath.
_isla_admin() {
  local line paths program=\${(Q)words[1]}
  local -a lines described
  [[ $program == '~'* ]] && program=$HOME\${program#'~'}
  lines=("\${(@f)$("$program" ${ASK_COMPLETION} "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  (( \${#lines} )) || return 1
  paths=$lines[-1]
  for line in "\${(@)lines[1,-2]}"; do
    described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  (( \${#described} )) && _describe -t words admin described
  case $paths in
    :files) compset -P '*='; _files ;;
    :directories) compset -P '*='; _files -/ ;;
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _isla_admin "$@"; else compdef _isla_admin admin; fi
`;

const FISH = `# Completes \`admin\` in fish: admin completion fish | source
function __isla_admin
    set -l words (commandline -opc) (commandline -ct)
    set -l lines ($words[1] ${ASK_COMPLETION} $words[2..-1] 2>/dev/null)
    test (count $lines) -gt 0; or return
    test (count $lines) -gt 1; and printf '%s\\n' $lines[1..-2]
    switch $lines[-1]
        case :files
            __fish_complete_path (commandline -ct)
        case :directories
            __fish_complete_directories (commandline -ct) ''
    end
end
complete -c admin -f -a '(__isla_admin)'
`;

export const COMPLETION_SCRIPTS: ReadonlyMap<string, string> = new Map([
  ['bash', BASH],
  ['zsh', ZSH],
  ['fish', FISH],
]);
