# A guest for live migration in one boot sector. It writes to all of its memory once, then counts timer ticks (18.2 a
# second), writes PAGES further pages on each, and prints its counter on COM1 twice a second: eight hex digits a line.
# A counter that goes on at the target shows that memory and registers have come along; one that goes on twice, or that
# starts again, shows that they have not. It halts between ticks.
#
# as --32 -o guest.o guest.S && ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o guest.bin guest.o
.code16
.globl _start
_start:
  cli
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %ss
  movw $0x7c00, %sp
  inb $0x92, %al               # address line 20
  orb $2, %al
  outb %al, $0x92
  lgdt table                   # %fs reaches 4 GiB, in real mode: its limit stays when protection is left
  movl %cr0, %eax
  orb $1, %al
  movl %eax, %cr0
  movw $8, %bx
  movw %bx, %fs
  andb $0xfe, %al
  movl %eax, %cr0
  ljmp $0, $real
real:
  movl $0x100000, %edi
fill:
  movl %edi, %fs:(%edi)
  addl $4096, %edi
  cmpl end, %edi
  jb fill
  movl $0x100000, %edi
  xorl %ebp, %ebp
  sti
tick:
  hlt
  movl pages, %ecx
write:
  jecxz written
  incl %fs:(%edi)
  addl $4096, %edi
  cmpl end, %edi
  jb next
  movl $0x100000, %edi
next:
  decl %ecx
  jmp write
written:
  incl %ebp
  incb since
  cmpb $9, since
  jb tick
  movb $0, since
  movl %ebp, %edx
  movb $8, %cl
digit:
  roll $4, %edx
  movb %dl, %al
  andb $15, %al
  addb $'0', %al
  cmpb $'9', %al
  jbe print
  addb $39, %al                # 'a' - '9' - 1
print:
  call out
  decb %cl
  jnz digit
  movb $'\n', %al
  call out
  jmp tick
out:
  pushw %dx
  movw $0x3f8, %dx
  outb %al, %dx
  popw %dx
  ret
since: .byte 0
.align 8
descriptors:
  .quad 0
  .quad 0x00cf92000000ffff
table:
  .word 15
  .long descriptors
.org 0x1f4
pages: .long 0
end: .long 0
.org 0x1fe
.word 0xaa55
