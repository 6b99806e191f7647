# Migrates with virsh over ssh. A domain is named to virsh by its UUID alone: virsh would take a name made of digits for
# the number of another domain, and one with a dash in front for an option.
#   SHUTDOWN_S=300   seconds that a VM which moves cold has to shut down

on_host() { # on_host HOST VIRSH-COMMAND...
  virsh --connect "qemu+ssh://$1/system" "${@:2}"
}

uuid_of() { # uuid_of VM HOST: print the UUID of the one domain of HOST whose name, or UUID, is exactly VM
  local list line title found=
  list=$(on_host "$2" list --all --uuid --name) || return 1
  while IFS= read -r line; do
    title=${line:37}
    title=${title%"${title##*[! ]}"} # virsh pads names with spaces
    if [[ -n $line && ($title == "$1" || ${line:0:36} == "$1") ]]; then
      [[ -z $found ]] || refuse 'more than one domain has this name' "$1" || return 1
      found=${line:0:36}
    fi
  done <<<"$list"
  [[ $found =~ ^[0-9a-fA-F-]{36}$ ]] || refuse "no domain on $2 has this name" "$1" || return 1
  printf '%s\n' "$found"
}

is_on() { # is_on UUID HOST
  local list
  list=$(on_host "$2" list --all --uuid) || return 2
  grep -Fqx -- "$1" <<<"$list"
}

is_off() { # is_off UUID HOST
  [[ $(on_host "$2" domstate --domain "$1") == "shut off"* ]]
}

migrate() { # migrate VM FROM TO HOW STORAGE
  local uuid status=0 flags=("${flags_always[@]}")
  plain_host "$2" "$3" || return 1
  case $4 in
    live) flags+=("${flags_live[@]}") ;;
    paused) flags+=("${flags_paused[@]}") ;;
    stopped) flags+=("${flags_stopped[@]}") ;;
    cold) flags+=("${flags_cold[@]}") ;;
    *) refuse "a VM that cannot be migrated ($4)" "$1" || return 1 ;;
  esac
  if [[ $5 == copied ]]; then
    if [[ $4 != live && $4 != paused ]]; then
      refuse 'virsh copies no disks of a VM that is shut off (set MIGRATE)' "$1" || return 1
    fi
    flags+=("${flags_copied[@]}")
  fi
  uuid=$(uuid_of "$1" "$2") || return 1
  if [[ $4 == cold ]]; then
    on_host "$2" shutdown --domain "$uuid" || return 1
    wait_for "${SHUTDOWN_S:-300}" is_off "$uuid" "$2" || refuse 'it does not shut down' "$1" || return 1
  fi
  on_host "$2" migrate "${flags[@]}" --domain "$uuid" --desturi "qemu+ssh://$3/system" || status=1
  if [[ $4 == cold ]]; then # whatever came of the migration, the VM runs again where it is
    if [[ $status -eq 0 ]]; then
      on_host "$3" start --domain "$uuid" || return 1
    else
      on_host "$2" start --domain "$uuid" || return 1
    fi
  fi
  [[ $status -eq 0 ]] || return 1
  is_on "$uuid" "$3" || refuse "not seen on $3" "$1" || return 1
  status=0
  is_on "$uuid" "$2" || status=$?
  [[ $status -eq 1 ]] || refuse "not seen to be gone from $2" "$1"
}
