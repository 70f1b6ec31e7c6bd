# Files that become part of a program: radpost_embed(OUT_SOURCES TABLE PATTERN...) makes
# "const struct embedded TABLE[]" of them (proto/base/embed.h).
function(radpost_embed out_source table)
    file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR} ${ARGN})
    set(asm "")
    set(externs "")
    set(rows "")
    set(depends "")
    set(i 0)
    foreach(file ${files})
        math(EXPR i "${i} + 1")
        string(APPEND asm ".global ${table}_${i}_begin\n.global ${table}_${i}_end\n.balign 8\n"
            "${table}_${i}_begin:\n.incbin \"${CMAKE_SOURCE_DIR}/${file}\"\n${table}_${i}_end:\n.byte 0\n")
        string(APPEND externs "extern const uint8_t ${table}_${i}_begin[], ${table}_${i}_end[];\n")
        string(APPEND rows "    {\"${file}\", ${table}_${i}_begin, ${table}_${i}_end},\n")
        list(APPEND depends ${CMAKE_SOURCE_DIR}/${file})
    endforeach()
    set(base ${CMAKE_BINARY_DIR}/${table})
    file(CONFIGURE OUTPUT ${base}.S CONTENT
        "    .section .note.GNU-stack,\"\",@progbits\n    .section .rodata\n${asm}" @ONLY)
    file(CONFIGURE OUTPUT ${base}.c CONTENT
        "#include \"proto/base/embed.h\"\n${externs}const struct embedded ${table}[] = {\n${rows}    {0, 0, 0},\n};\n" @ONLY)
    set_source_files_properties(${base}.S PROPERTIES OBJECT_DEPENDS "${depends}")
    set(${out_source} ${base}.S ${base}.c PARENT_SCOPE)
endfunction()
