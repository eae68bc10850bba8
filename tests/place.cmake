spacc_failing_alloc(test_place)
# A parser of XML has to agree that a chart is XML.
add_test(NAME gantt_is_xml COMMAND sh -ec "'$<TARGET_FILE:test_gantt>' gantt_sample.svg && python3 -c \
'import xml.dom.minidom as x; d = x.parse(\"gantt_sample.svg\"); assert d.documentElement.tagName == \"svg\"; \
assert len(d.getElementsByTagName(\"title\")) > 24'")
