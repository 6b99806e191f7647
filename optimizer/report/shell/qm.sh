# Migrates with `qm migrate` on the source node, over ssh. A VM is named to qm by its VMID alone; another name is looked
# up in the source's `qm list`.
#   SSH_USER=root    who logs in on the nodes
#   SHUTDOWN_S=300   seconds that a VM which moves cold has to shut down
#   WAIT_S=3600      seconds that an HA guest has to arrive: `qm migrate` only asks for it and returns

on_host() { # on_host NODE COMMAND...: run on a node; every word is plain
  ssh -o BatchMode=yes -- "${SSH_USER:-root}@$1" "${@:2}"
}

vmid_of() { # vmid_of VM NODE: print the VMID of the one VM of NODE that is called VM, or has that VMID
  local list vmid title found=
  if [[ $1 =~ ^[1-9][0-9]{2,8}$ ]]; then
    printf '%s\n' "$1"
    return 0
  fi
  list=$(on_host "$2" qm list) || return 1
  while read -r vmid title _; do
    if [[ $title == "$1" ]]; then
      [[ -z $found ]] || refuse 'more than one VM has this name' "$1" || return 1
      found=$vmid
    fi
  done <<<"$list"
  [[ $found =~ ^[1-9][0-9]{2,8}$ ]] || refuse "no VM on $2 has this name" "$1" || return 1
  printf '%s\n' "$found"
}

arrived() { # arrived VMID NODE: its configuration is on NODE (so it is nowhere else), and no migration holds it
  local config
  on_host "$2" test -f "/etc/pve/nodes/$2/qemu-server/$1.conf" || return 1
  config=$(on_host "$2" qm config "$1" --current 1) || return 1
  ! grep -q '^lock:' <<<"$config"
}

migrate() { # migrate VM FROM TO HOW STORAGE
  local vmid flags=()
  plain_host "$2" "$3" || return 1
  case $4 in
    live | paused)
      flags+=(--online 1)
      if [[ $5 == copied ]]; then flags+=(--with-local-disks 1); fi
      ;;
    stopped | cold) ;; # offline, qm copies local disks by itself
    *) refuse "a VM that cannot be migrated ($4)" "$1" || return 1 ;;
  esac
  vmid=$(vmid_of "$1" "$2") || return 1
  if [[ $4 == cold ]]; then on_host "$2" qm shutdown "$vmid" --timeout "${SHUTDOWN_S:-300}" || return 1; fi
  if ! on_host "$2" qm migrate "$vmid" "$3" "${flags[@]}"; then
    if [[ $4 == cold ]]; then on_host "$2" qm start "$vmid" || true; fi
    return 1
  fi
  wait_for "${WAIT_S:-3600}" arrived "$vmid" "$3" || refuse "not seen on $3" "$1" || return 1
  if [[ $4 == cold ]]; then on_host "$3" qm start "$vmid"; fi
}
