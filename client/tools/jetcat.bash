# bash completion for jetcat

_jetcat() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local options='--listen --send --receive --key --trust --learn --identity --keylog --bind --timeout --quiet --json --version
    --help'

  case $previous in
    --send | --trust | --identity | --keylog) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --receive) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
    --key | --bind | -w | --timeout) COMPREPLY=(); return ;;
  esac
  case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word") ;;
    *) mapfile -t COMPREPLY < <(compgen -A hostname -- "$word") ;;
  esac
}
complete -F _jetcat jetcat
