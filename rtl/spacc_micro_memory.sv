/// 64 Ki words of 16 bits, one access a cycle, bytes writable: four SPRAMs of an UP5K.
module spacc_micro_memory (
  input  logic        clk_i,
  input  logic [15:0] address_i,
  input  logic [1:0]  write_i,   // of the word's bytes; neither: read
  input  logic [15:0] data_i,
  output logic [15:0] data_o     // of a read, in the next cycle; stays over writes
);

  for (genvar b = 0; b < 4; b++) begin : gen_bank
    logic [15:0] words [0:16383];
    logic [15:0] read_q;
    logic        here;
    assign here = address_i[15:14] == 2'(b);
    always_ff @(posedge clk_i) begin
      if (here && write_i == 2'b00) read_q <= words[address_i[13:0]];
      if (here && write_i[0])       words[address_i[13:0]][7:0]  <= data_i[7:0];
      if (here && write_i[1])       words[address_i[13:0]][15:8] <= data_i[15:8];
    end
  end

  logic [1:0] bank_q;
  always_ff @(posedge clk_i) if (write_i == 2'b00) bank_q <= address_i[15:14];
  always_comb begin
    case (bank_q)
      2'd0:    data_o = gen_bank[0].read_q;
      2'd1:    data_o = gen_bank[1].read_q;
      2'd2:    data_o = gen_bank[2].read_q;
      default: data_o = gen_bank[3].read_q;
    endcase
  end

endmodule
