# Files that become part of the programs: every .sql of a service, and what Vite built from a web folder.
function(radpost_embed out_source)
    file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
        gateway/*.sql storage/*.sql reader/*.sql proto/*.sql gateway/*/web/dist/* reader/web/dist/*)
    set(asm "")
    set(externs "")
    set(rows "")
    set(depends "")
    set(i 0)
    foreach(file ${files})
        math(EXPR i "${i} + 1")
        string(APPEND asm ".global embedded_${i}_begin\n.global embedded_${i}_end\n.balign 8\n"
            "embedded_${i}_begin:\n.incbin \"${CMAKE_SOURCE_DIR}/${file}\"\nembedded_${i}_end:\n.byte 0\n")
        string(APPEND externs "extern const uint8_t embedded_${i}_begin[], embedded_${i}_end[];\n")
        string(APPEND rows "    {\"${file}\", embedded_${i}_begin, embedded_${i}_end},\n")
        list(APPEND depends ${CMAKE_SOURCE_DIR}/${file})
    endforeach()
    set(base ${CMAKE_BINARY_DIR}/embedded)
    file(CONFIGURE OUTPUT ${base}.S CONTENT
        "    .section .note.GNU-stack,\"\",@progbits\n    .section .rodata\n${asm}" @ONLY)
    file(CONFIGURE OUTPUT ${base}.c CONTENT
        "#include \"proto/base/embed.h\"\n${externs}const struct embedded embedded_files[] = {\n${rows}    {0, 0, 0},\n};\n" @ONLY)
    set_source_files_properties(${base}.S PROPERTIES OBJECT_DEPENDS "${depends}")
    set(${out_source} ${base}.S ${base}.c PARENT_SCOPE)
endfunction()
