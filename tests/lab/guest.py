"""Guests that count: one boot sector each, in software emulation (its source is `guest.S`)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["CODE", "disk_image", "domain_xml", "lines_of", "sector"]

CODE = bytes.fromhex(
    "fa31c08ed88ed0bc007ce4920c02e6920f0116c87c0f20c00c010f22c0bb08008ee324fe0f22c0ea2c7c000066bf0000"
    "1000646766893f6681c700100000663b3ef87d72ed66bf000010006631edfbf4668b0ef47d67e31d646766ff076681c7"
    "00100000663b3ef87d720666bf000010006649ebe06645fe06b17c803eb17c0972cdc606b17c006689eab10866c1c204"
    "88d0240f04303c3976020427e80b00fec975e9b00ae80200eba552baf803ee5ac3008db4000066900000000000000000"
    "ffff00000092cf000f00b87c0000"
)
"""What `guest.S` is when it is assembled, without the zeros that follow it."""

SECTOR, SIGNATURE = 512, b"\x55\xaa"
PAGES_AT, END_AT = 0x1F4, 0x1F8


def sector(pages: int, ram_mib: int) -> bytes:
    """Return a boot sector that writes `pages` pages on each tick, within so much memory."""
    whole = bytearray(CODE.ljust(SECTOR - len(SIGNATURE), b"\0") + SIGNATURE)
    struct.pack_into("<I", whole, PAGES_AT, pages)
    struct.pack_into("<I", whole, END_AT, (ram_mib - 1) << 20)
    return bytes(whole)


def disk_image(path: Path, pages: int, ram_mib: int) -> None:
    """Write a disk of 1 MiB that boots the guest."""
    path.write_bytes(sector(pages, ram_mib).ljust(1 << 20, b"\0"))


def lines_of(serial: Path) -> list[int]:
    """Return what a guest has counted so far; a line that is not whole yet is left out."""
    text = serial.read_text() if serial.exists() else ""
    return [int(line, 16) for line in text.rpartition("\n")[0].split("\n") if line]


def domain_xml(name: str, uuid: str, disk: Path, serial: Path, ram_mib: int, demand: Mapping[str, int]) -> str:
    """Return a domain; its metadata says what it takes of the fleet's resources."""
    said = "".join(f'<remora:demand resource="{r}">{n}</remora:demand>' for r, n in demand.items())
    return f"""
<domain type="qemu">
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata><remora:vm xmlns:remora="urn:remora:vm">{said}</remora:vm></metadata>
  <memory unit="MiB">{ram_mib}</memory>
  <vcpu>1</vcpu>
  <os><type arch="x86_64" machine="pc">hvm</type><boot dev="hd"/></os>
  <cpu mode="custom" match="exact"><model fallback="forbid">qemu64</model></cpu>
  <on_poweroff>destroy</on_poweroff>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type="file" device="disk">
      <driver name="qemu" type="raw" cache="none"/><source file="{disk}"/><target dev="hda" bus="ide"/>
    </disk>
    <serial type="file"><source path="{serial}" append="on"/><target port="0"/></serial>
    <memballoon model="none"/>
  </devices>
</domain>
"""
