# bash completion for jetctl

_jetctl() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' i
  local commands='status stats drops sessions session ports version stop'
  local options='--json --socket --help'

  COMPREPLY=()
  case $previous in
    --socket) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --watch | --lcore | --limit) return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --socket | --watch | --lcore | --limit) ((i++)) ;;
      -*) ;;
      *) command=${COMP_WORDS[i]}; break ;;
    esac
  done
  case $command in
    '') mapfile -t COMPREPLY < <(compgen -W "$commands $options" -- "$word"); return ;;
    stats) options+=' --watch --lcore --rate' ;;
    sessions) options+=' --watch --limit' ;;
    version | stop) ;;
    *) options+=' --watch' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
}
complete -F _jetctl jetctl
