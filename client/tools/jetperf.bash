# bash completion for jetperf

_jetperf() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local options='--server --client --listen --identity --one-off --key --trust --learn --bind --migrate --time
    --bytes --streams --size --rate --reverse --bidir --echo --service --priority --reliability --ttl --unordered
    --protection --congestion --no-fec --interval --keylog --json --version --help'

  case $previous in
    --identity | --trust | --keylog) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --priority) options='system media chat bulk' ;;
    --reliability) options='reliable best-effort' ;;
    --protection) options='plain latency efficient' ;;
    --congestion) options='cubic bbr newreno' ;;
    -c | --client) mapfile -t COMPREPLY < <(compgen -A hostname -- "$word"); return ;;
    -[ltnPi] | --listen | --key | --bind | --migrate | --time | --bytes | --streams | --size | --rate | --ttl |
      --interval)
      COMPREPLY=(); return ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
}
complete -F _jetperf jetperf
