carry() { # carry VM FROM TO HOW STORAGE
  if [[ -n ${MIGRATE:-} ]]; then "$MIGRATE" "$@"; else migrate "$@"; fi
}

declare -a state=() # of each move, by its number: done, failed, skipped
declare -a process=()
declare -a name=()
failed=0

begin() { # begin NUMBER PREDECESSOR...: start a move unless something that it has to follow did not succeed
  local number=$1 before
  shift
  for before in "$@"; do
    if [[ ${state[before]:-skipped} != 'done' ]]; then
      state[number]='skipped'
      printf '%s skipped: %s %s\n' "${name[number]}" "${name[before]}" "${state[before]:-skipped}" >&2
      return 0
    fi
  done
  printf '%s started\n' "${name[number]}" >&2
  "move_$number" </dev/null &
  process[number]=$!
}

finish() { # wait for every move of the batch
  local number
  for number in "${!process[@]}"; do
    if wait "${process[number]}"; then
      state[number]='done'
    else
      state[number]='failed'
      failed=1
    fi
    printf '%s %s\n' "${name[number]}" "${state[number]}" >&2
  done
  process=()
}

summary() { # say how many moves were done; fail unless all were
  local number bad=0
  for number in "${!name[@]}"; do
    if [[ ${state[number]:-skipped} != 'done' ]]; then bad=$((bad + 1)); fi
  done
  printf '%s of %s moves done\n' "$((${#name[@]} - bad))" "${#name[@]}" >&2
  [[ $bad -eq 0 ]]
}

may_go_on() { # may_go_on TEXT
  local answer=
  if [[ $failed -ne 0 && ${KEEP_GOING:-} != 1 ]]; then
    printf 'stopped before %s: a move failed (KEEP_GOING=1 goes on with what does not follow it)\n' "$1" >&2
    summary || exit 1
  fi
  if [[ $(date +%s) -ge $expires && ${EXPIRED_OK:-} != 1 ]]; then
    printf 'the plan has expired: take a new snapshot and make a new plan\n' >&2
    exit 4
  fi
  [[ ${YES:-} == 1 ]] && return 0
  read -r -p "$1: go on? [y/N] " answer || true
  if [[ $answer != [yY]* ]]; then
    printf 'stopped before %s\n' "$1" >&2
    exit 1
  fi
}
