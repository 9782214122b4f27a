# gnuplot map.gp: map.svg
set terminal svg size 1200,520 font 'sans,12'
set output 'map.svg'
set multiplot layout 1,2
set key outside right font ',9'
set size ratio -1
set title 'after blocks.0.attn'
set xlabel 'axis 1 (23.8 %)'
set ylabel 'axis 2 (11.6 %)'
plot 'map.dat' index 0 with points pointtype 1 title 'dense 256', 'map.dat' index 1 with points pointtype 2 title 'glu 170', 'map.dat' index 2 with points pointtype 3 title 'dense 64', 'map.dat' index 3 with points pointtype 4 title 'moe 256 1 learned', 'map.dat' index 4 with points pointtype 5 title 'moe 256 1 frozen', 'map.dat' index 5 with points pointtype 6 title 'moe 256 2 learned'
set title 'after blocks.0.ffn'
set xlabel 'axis 1 (21.9 %)'
set ylabel 'axis 2 (10.2 %)'
plot 'map.dat' index 6 with points pointtype 1 title 'dense 256', 'map.dat' index 7 with points pointtype 2 title 'glu 170', 'map.dat' index 8 with points pointtype 3 title 'dense 64', 'map.dat' index 9 with points pointtype 4 title 'moe 256 1 learned', 'map.dat' index 10 with points pointtype 5 title 'moe 256 1 frozen', 'map.dat' index 11 with points pointtype 6 title 'moe 256 2 learned'
unset multiplot
